"""What ``ray job submit`` runs: one thin module a job, with the options of the command line."""
