"""The command line. Exit codes: 0 done, 2 bad input or usage, 130 interrupted (resumable), 1 a fault of foils."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

from cyclopts import App, CycloptsError

import foils
from foils.cli.console import EXIT_BAD_INPUT, EXIT_FAULT, EXIT_INTERRUPTED, complain
from foils.cli.demo import demo
from foils.cli.evaluate import evaluate
from foils.cli.mine import mine
from foils.cli.recipes import recipes
from foils.cli.train import train
from foils.errors import InputError

app = App(
    name="foils",
    help="Mine hard negatives that are checked, train with them, and know how sure you are.",
    version=foils.__version__,
    version_flags=["--version"],
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)
COMMANDS = {"demo": demo, "mine": mine, "train": train, "eval": evaluate, "recipes": recipes}
for name, command in COMMANDS.items():
    app.command(command, name=name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        asked = f"{words[0]} " if words and words[0] in COMMANDS else ""
        complain(f"{error}\nsee: foils {asked}--help")
        return EXIT_BAD_INPUT
    except InputError as error:
        complain(str(error))
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        complain("interrupted; run the same command again to go on where it stopped")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; nobody is left to tell
        return 0
    except Exception:
        complain(f"this is a fault of foils, please report it with what follows\n{traceback.format_exc()}")
        return EXIT_FAULT
    return 0
