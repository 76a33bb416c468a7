"""Why a detector answers as it does: what each family contributes, and what it saw where."""
