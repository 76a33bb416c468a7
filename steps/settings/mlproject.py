"""Writes `MLproject` from the entities, so that both can never disagree.

`python -m steps.settings.mlproject > MLproject`; a test checks that this was done.
"""

from pydantic.fields import FieldInfo

from steps.settings.entities import SETTINGS, Entity

HEADER = """\
# Written by `python -m steps.settings.mlproject` from steps/settings/entities.py, which has the
# allowed values.
#
# mlflow run . -e NAME -P name=value --env-manager local|uv|conda
#
# An empty value means: what params.yaml says. Values are checked by the step, since MLflow checks
# none. `workspace` is the folder that config.yaml's paths are relative to.
name: forgery-detector

conda_env: conda.yaml

entry_points:
"""


def render() -> str:
    """Return the text of the `MLproject` file."""
    return HEADER + "".join(render_entry_point(name, SETTINGS[name]) for name in SETTINGS)


def render_entry_point(step: str, entity: type[Entity]) -> str:
    """Return one entry point: its documented parameters and its command."""
    parameters = [render_parameter(key, field) for key, field in entity.model_fields.items()]
    names = [*entity.model_fields, "workspace"]
    command = [f"python -m steps {step}", *(f"--{name} {{{name}}}" for name in names)]
    lines = [
        f"  {step}:  # {(entity.__doc__ or '').splitlines()[0]}",
        "    parameters:",
        *parameters,
        '      workspace: {type: string, default: ""}',
        "    command: >-",
        *(f"      {line}" for line in command),
    ]
    return "\n".join(lines) + "\n\n"


def render_parameter(key: str, field: FieldInfo) -> str:
    """Return one parameter with MLflow's type (it knows floats and strings) and its meaning."""
    numeric = any(kind in str(field.annotation) for kind in ("int", "float"))
    line = f'      {key}: {{type: {"float" if numeric else "string"}, default: ""}}'
    return f"{line}  # {field.description}" if field.description else line


if __name__ == "__main__":
    print(render().rstrip())
