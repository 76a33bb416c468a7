"""`python -m forgery.command`."""

from forgery.command import main

main()
