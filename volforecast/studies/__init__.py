"""Each paper as data; a new study is a file and a line here."""

from volforecast.studies.bitcoin_mixture import BitcoinMixture
from volforecast.studies.first_days import FirstDays
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.rough_transfer import RoughTransfer

STUDIES: dict[str, type[NewIssues | FirstDays | RoughTransfer | BitcoinMixture]] = {
    "new-issues": NewIssues,
    "first-days": FirstDays,
    "rough-transfer": RoughTransfer,
    "bitcoin-mixture": BitcoinMixture,
}
