"""The command as a user calls it, in this process."""

from click.testing import CliRunner, Result

from forgery.command import main


def forgery(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])
