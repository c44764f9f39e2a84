"""Why a message was decided as it was."""
