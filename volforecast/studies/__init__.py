"""Each paper as data; a new study is a file and a line here."""

from volforecast.studies.new_issues import NewIssues

STUDIES = {"new-issues": NewIssues}
