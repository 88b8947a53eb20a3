"""The command line. Exit codes: 0 done, 2 bad input or usage, 1 a fault of foils; 130 interrupted, 143 terminated.

Mining that was interrupted or terminated goes on when the same command is given again.
"""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Callable, Sequence

from cyclopts import App, Argument, CoercionError, CycloptsError, MissingArgumentError, UnusedCliTokensError

import foils
from foils.cli.advise import advise
from foils.cli.audit import audit_negatives
from foils.cli.calibrate import calibrate_scores
from foils.cli.console import EXIT_BAD_INPUT, EXIT_FAULT, EXIT_INTERRUPTED, EXIT_TERMINATED, complain, warnings_as_notes
from foils.cli.demo import demo
from foils.cli.evaluate import evaluate
from foils.cli.export import export
from foils.cli.mine import mine
from foils.cli.plan import plan
from foils.cli.recipes import recipes
from foils.cli.rethreshold import rethreshold
from foils.cli.review import review
from foils.cli.stopping import Terminated, terminable
from foils.cli.train import train
from foils.errors import InputError

COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "advise": advise,
    "plan": plan,
    "mine": mine,
    "export": export,
    "audit": audit_negatives,
    "review": review,
    "calibrate": calibrate_scores,
    "rethreshold": rethreshold,
    "train": train,
    "eval": evaluate,
    "recipes": recipes,
}
RESUMED = "what was finished is kept; run the same command again, without --fresh, to go on where it stopped"
UNTRAINED = "no model was written; the same command goes on from the last checkpoint (a static encoder begins anew)"
INTERRUPTED = {
    "mine": RESUMED,
    "audit": "no report was written",
    "demo": "no report was written",
    "export": "no file was written",
    "review": "every label that was given is stored",
    "calibrate": "no file was written",
    "rethreshold": RESUMED,
    "train": UNTRAINED,
}
EXPECTED: dict[object, str] = {int: "a whole number", float: "a number"}


def examples(command: Callable[..., None]) -> str:
    """Give the examples of a command's docstring, which end it."""
    return "Examples:\n" + (inspect.getdoc(command) or "").partition("Examples:\n")[2]


app = App(
    name="foils",
    help="Mine hard negatives that are checked, train with them, and know how sure you are.",
    help_epilogue="foils COMMAND --help shows the options of a command, with examples.",
    version=foils.__version__,
    version_flags=["--version"],
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)
for place, (name, command) in enumerate(COMMANDS.items()):
    app.command(command, name=name, help_epilogue=examples(command), sort_key=place)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    asked = words[0] if words and words[0] in COMMANDS else ""
    try:
        with terminable(), warnings_as_notes():
            app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        complain(f"{_usage(error)}\nsee: foils {asked}{' ' * bool(asked)}--help")
        return EXIT_BAD_INPUT
    except InputError as error:
        complain(str(error))
        return EXIT_BAD_INPUT
    except KeyboardInterrupt as error:
        told, terminated = INTERRUPTED.get(asked), isinstance(error, Terminated)
        word = "terminated" if terminated else "interrupted"
        notes = [f" ({note})" for note in getattr(error, "__notes__", ())]
        complain("".join([f"{word}; {told}" if told else word, *notes]))
        return EXIT_TERMINATED if terminated else EXIT_INTERRUPTED
    except Exception:
        complain(f"this is a fault of foils; please report it, with what follows\n{traceback.format_exc()}")
        return EXIT_FAULT
    return 0


def _usage(error: CycloptsError) -> str:
    """Say what is wrong with the arguments in a user's words."""
    if isinstance(error, CoercionError) and error.token is not None and error.target_type in EXPECTED:
        return f"{error.token.keyword} {error.token.value}: expected {EXPECTED[error.target_type]}"
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        left = " ".join(map(repr, error.unused_tokens))
        return f"there is no place for {left}; an option takes one value, as in --seed 1"
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        return _missing(error, error.argument)
    return str(error)


def _missing(error: MissingArgumentError, argument: Argument) -> str:
    """Say what is missing, what it is for, and what it looks like in the examples of the command."""
    given, name = error.keyword is not None, error.keyword or argument.name
    before = name if name.startswith("-") else f"foils {' '.join(error.command_chain or ())}"
    found = re.search(rf"{re.escape(before)}\s+('[^']*'|[^\s\\-]\S*)", inspect.getdoc(error.target) or "")
    example = f"; as in {before} {found[1]}" if found else ""
    purpose = (argument.parameter.help or "").removesuffix(".")
    _, meant, other = str(error).partition(" instead of ")  # what stands there by a similar name
    instead = f"; {other.removesuffix('?')} is no option, did you mean {name}?" if meant else ""
    return f"{name} {'has no value' if given else 'is missing'}: {purpose}{example}{instead}"
