"""Transfer LSTM with a frozen encoder: only the prediction head is fine-tuned (Dhansoia 2025, section 3.3, phase 2).

LSTM and attention stay as the sources left them; what they make of a sequence is then the same in every epoch.
"""

from collections.abc import Sequence

from volforecast.models.rough.recipe import Rates, Recipe


def head_only(groups: Sequence[str], rate: float) -> Rates:
    """The last group alone learns."""
    return ((1, {groups[-1]: rate}),)


RECIPE = Recipe(pretrained=True, rates=head_only)
