"""Search for hyperparameters: in one unit of work, or spread over Ray by Tune; knows no finance."""
