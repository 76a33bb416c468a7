"""Writes `MLproject` from the entities, so that both can never disagree.

`python -m steps.settings.mlproject > MLproject`; a test checks that this was done.
"""

import textwrap

from pydantic.fields import FieldInfo

from steps.settings.entities import SETTINGS, StepSettings, is_number

HEADER = """\
# Written by `python -m steps.settings.mlproject` from steps/settings/entities.py, which has the
# allowed values.
#
# mlflow run . -e NAME -P name=value --env-manager local|uv|conda
#
# A parameter that is not given, or empty, has the value of params.yaml, or the default that its
# comment states. The step checks all values, since MLflow checks none. `workspace` is the folder,
# or s3://bucket/prefix, that config.yaml's paths are relative to.
name: forgery-detector

conda_env: conda.yaml

entry_points:
"""
WIDTH = 100
INDENT = " " * 6
UNBROKEN = "\N{NO-BREAK SPACE}"
"""Keeps an option and its value on one line."""


def render() -> str:
    """Return the text of the `MLproject` file."""
    return HEADER + "\n".join(render_entry_point(entity) for entity in SETTINGS.values())


def render_entry_point(entity: type[StepSettings]) -> str:
    """Return one entry point: its documented parameters and its command."""
    parameters = entity.parameters()
    options = [f"--{name}{UNBROKEN}{{{name}}}" for name in (*parameters, "workspace")]
    command = f"python -m steps {entity.step} {' '.join(options)}"
    lines_of_command = textwrap.fill(
        command, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT, break_on_hyphens=False
    )
    lines = [
        f"  {entity.step}:  # {(entity.__doc__ or '').splitlines()[0]}",
        "    parameters:",
        *(render_parameter(name, field) for name, field in parameters.items()),
        f'{INDENT}workspace: {{default: ""}}',
        "    command: >-",
        lines_of_command.replace(UNBROKEN, " "),
    ]
    return "\n".join(lines) + "\n"


def render_parameter(name: str, field: FieldInfo) -> str:
    """Return one parameter with its meaning; MLflow takes it for text unless a type is stated."""
    kind = "type: float, " if is_number(field.annotation) else ""
    comment = "; ".join(part for part in (field.description, stated_default(field)) if part)
    return f'{INDENT}{name}: {{{kind}default: ""}}' + (f"  # {comment}" if comment else "")


def stated_default(field: FieldInfo) -> str:
    """Return the default of a parameter that need not be in `params.yaml`; none where it is empty.

    It is stated and not set, or it would count for more than `params.yaml`, which may have it.
    """
    default = field.default
    if field.is_required() or default is None or default is False or default in ("", ()):
        return ""
    return f"default {','.join(default) if isinstance(default, tuple) else default}"


if __name__ == "__main__":
    print(render().rstrip())
