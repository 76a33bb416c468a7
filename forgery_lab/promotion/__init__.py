"""The promotion gate: frozen test set, contract check, comparison with the champion."""
