"""Why a network does not learn: checks of data, model and run, each with its evidence and its mend."""
