"""The measured rate in sentences, the same in the terminal and on the page."""

from __future__ import annotations

from foils.auditing.compared_rates import ComparedRates
from foils.auditing.measured import Bin, Measured, Predicted
from foils.estimating import Difference, Rate
from foils.labelling.wording import FOLDER, halving_words
from foils.reporting.text import percent


def interval(rate: Rate) -> str:
    """Write a rate with its interval, in per cent; where no positive was found, its upper end."""
    if not rate.positives:
        return f"at most {percent(rate.high)} %"
    return f"{percent(rate.estimate)} % [{percent(rate.low)}, {percent(rate.high)}]"


def rate_words(measured: Measured, folder: str = FOLDER) -> list[str]:
    """Say what was measured, the rate first; the folder of the result is for a command."""
    rate = measured.rate
    if rate is None:
        have = "has" if measured.labels == 1 else "have"
        return [
            f"{measured.labels:,} of {measured.asked:,} pairs drawn to be labelled {have} a label.",
            f"The rate of positives among the negatives is shown from {measured.looks[0]:,} labels on.",
        ]
    none = "" if rate.positives else "; none of those labelled is one"
    said = [f"Measured on {rate.labels:,} labels: {interval(rate)} of the negatives are really positives{none}."]
    undecided = rate.unsure + rate.skipped
    if undecided:
        which = "is unsure or skipped: with it" if undecided == 1 else "are unsure or skipped: with all of these"
        said.append(
            f"{undecided:,} of the labels {which} taken as negative the rate is "
            f"{percent(rate.best)} %, as positive {percent(rate.worst)} %; the interval holds either way."
        )
    more = measured.mined_false_negative_rate.file.to_halve
    if more != 0:  # with 0 all is known
        said.append(halving_words(more, rate.labels, measured.asked, folder))
    return said


def look_words(measured: Measured) -> list[str]:
    """Say which look is shown, and what holds of all labels so far."""
    rates, shown = measured.mined_false_negative_rate.file, measured.shown
    looks = ", ".join(f"{look:,}" for look in measured.looks)
    said = []
    if shown is not None:
        said.append(f"The interval may be looked at after {looks} labels, and holds whichever of these one stops at.")
    if shown is not None and measured.labels > shown:
        later = measured.labels - shown
        are, count = ("label is", "it counts") if later == 1 else ("labels are", "they count")
        upcoming = "" if measured.next_look is None else f"; {count} from {measured.next_look:,} labels on"
        said.append(f"{later:,} later {are} not in it{upcoming}.")
    labels = "label" if measured.labels == 1 else "labels"
    said.append(
        f"If it was settled beforehand to give {measured.labels:,} {labels}, the rate is {interval(rates.fixed)}; this "
        "interval does not hold for whoever stopped because of what it says."
    )
    return said


def prediction_words(predicted: Predicted) -> str:
    """Set the calibrated probabilities beside the labels."""
    said = f"p_positive predicts {percent(predicted.mean)} % and the labels say {interval(predicted.rate)}"
    if predicted.fits:
        return f"{said}: they agree."
    return f"{said}: the calibration does not fit these negatives. Calibrate again, from these labels."


def bins_words(predicted: Predicted) -> str:
    """Say where the calibrated probabilities and the labels disagree most, of all bins."""
    known = [one for one in predicted.bins if one.rate is not None]
    worst = max(known, key=lambda one: one.beyond)
    if worst.rate is not None and worst.beyond:
        count, bins = sum(one.beyond > 0 for one in known), "bin" if len(known) == 1 else "bins"
        return (
            f"said and measured disagree in {count} of {len(known)} {bins} of p_positive, most where it says "
            f"{span(worst)} %: on average {percent(worst.mean)} %, and the labels say {interval(worst.rate)}"
        )
    if len(known) == 1:
        return "said and measured agree in the only bin of p_positive that has labels"
    without = len(predicted.bins) - len(known)
    return f"said and measured agree in all {len(known)} bins of p_positive{' that have labels' if without else ''}"


def span(found: Bin) -> str:
    """Write the probabilities of a bin, in per cent."""
    low, high = percent(found.low), percent(found.high)
    return low if low == high else f"{low} to {high}"


def compared_words(rates: ComparedRates) -> str:
    """Say how the measured rates of two results differ."""
    if rates.why is not None or rates.now is None or rates.before is None or rates.of_files is None:
        return f"The measured rates are not compared: {rates.why}"
    counted = f"{rates.labels:,} labels, {rates.labels_shared:,} of them of negatives of both"
    if rates.disagreeing:
        are = "pair is" if rates.disagreeing == 1 else "pairs are"
        counted += f"; {rates.disagreeing:,} {are} labelled differently in the two folders, and the label here counts"
    return (
        f"Really positive, measured: {interval(rates.before)} before, {interval(rates.now)} now ({counted}); these "
        "intervals and that of the difference do not allow for stopping at a look: they hold where the numbers of "
        "labels were settled beforehand"
    )


def difference_words(difference: Difference) -> str:
    """Write a difference of rates in percentage points, with its interval."""
    middle, low, high = (
        f"{100 * end:+.1f}".replace("-", "−") for end in (difference.estimate, difference.low, difference.high)
    )
    return f"{middle} [{low}, {high}]"
