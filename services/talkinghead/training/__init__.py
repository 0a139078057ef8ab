"""How the models are made: `train` makes a talking head; `speech` and `action_basis` make what drives its draft."""
