"""Which of 64 scores next to each other reach a bound, as the bits of one integer: a few vector instructions of LLVM.

Scores are float32; or uint16, the upper halves of float32 numbers; or int32, of which 1 is worth a unit, the least
standing for −inf.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

CHUNK = 64
BARRED = -(2**31)
"""What stands for −inf among integers."""
SINGLE, WORD, HALF_BITS = ir.FloatType(), ir.IntType(32), 16


def _reaching(_: Any, values: Any, at: Any, unit: Any, bound: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        raw = _load(context, builder, signature, arguments, CHUNK)
        scores = _scores(builder, values.dtype, raw, _repeated(builder, arguments[2]))
        hits = builder.fcmp_ordered(">=", scores, _repeated(builder, arguments[3]))
        return builder.bitcast(hits, ir.IntType(CHUNK))

    return types.uint64(values, at, unit, bound), generate


def _score(_: Any, values: Any, at: Any, unit: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _scores(builder, values.dtype, _load(context, builder, signature, arguments, None), arguments[2])

    return types.float32(values, at, unit), generate


def _lowest(_: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(bits), generate


def _load(context: Any, builder: Any, signature: Any, arguments: Any, lanes: int | None) -> Any:
    """Load one number of an array, or some that follow each other."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    place = builder.gep(array.data, [arguments[1]])
    if lanes is None:
        return builder.load(place)
    some = ir.VectorType(array.data.type.pointee, lanes)
    return builder.load(builder.bitcast(place, some.as_pointer()), align=signature.args[0].dtype.bitwidth // 8)


def _scores(builder: Any, dtype: Any, raw: Any, unit: Any) -> Any:
    """Turn numbers as they are held into float32, one or some at once."""
    if dtype == types.float32:
        return raw
    single, word = _like(raw, SINGLE), _like(raw, WORD)
    if dtype == types.uint16:
        return builder.bitcast(builder.shl(builder.zext(raw, word), _all(word, HALF_BITS)), single)
    is_barred = builder.icmp_signed("==", raw, _all(word, BARRED))
    return builder.select(is_barred, _all(single, float("-inf")), builder.fmul(builder.sitofp(raw, single), unit))


def _like(raw: Any, kind: Any) -> Any:
    """Give a type with as many lanes as a value has."""
    return ir.VectorType(kind, CHUNK) if isinstance(raw.type, ir.VectorType) else kind


def _all(kind: Any, number: float) -> Any:
    """Make a constant, of as many lanes as a type has."""
    return ir.Constant(kind, [number] * CHUNK if isinstance(kind, ir.VectorType) else number)


def _repeated(builder: Any, number: Any) -> Any:
    """Put a float32 number into every lane."""
    some = ir.VectorType(SINGLE, CHUNK)
    first = builder.insert_element(ir.Constant(some, ir.Undefined), number, ir.Constant(WORD, 0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(WORD, CHUNK), [0] * CHUNK))


reaching: Any = intrinsic(_reaching)
"""``reaching(values, at, unit, bound)``: bit i says whether ``values[at + i]`` of one dimension reaches the bound."""
score_at: Any = intrinsic(_score)
"""``score_at(values, at, unit)``: ``values[at]`` as float32."""
lowest_bit: Any = intrinsic(_lowest)
"""``lowest_bit(bits)``: the place of the lowest bit that is set; one must be."""
