"""What a comparison of models is: its plan, what its runs came to, and what may be concluded.

NumPy only: nothing here trains, and nothing here is shown.
"""
