"""The fields of the multipart forms: one model per request, both its reader and its schema."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import GenerateJsonSchema

from forgery.evidence.views import VIEWS
from forgery.evidence.views.method import ELA_QUALITY
from forgery_pyfunc.request_parameters import Parameters, read_flag
from webui.errors import ApiError
from webui.feedback_store import Box, Label

FORMATS = "JPEG, PNG, TIFF, BMP, WebP, HEIC or AVIF"
ONE_FILE = {
    "type": "string",
    "contentMediaType": "application/octet-stream",
    "description": f"one {FORMATS} file",
}
FILES = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "string", "format": "binary"},
    "description": f"one or more {FORMATS} files",
}
MAX_BOXES = 50
VIEW = "|".join(VIEWS)
CONTRACT = TypeAdapter(Parameters).json_schema()["properties"]
(THRESHOLD, _NULL) = CONTRACT["threshold"]["anyOf"]


def _read_threshold(text: str) -> float | None:
    return Parameters.read_form({"threshold": text}).threshold


def _read_flag(text: str, info: ValidationInfo) -> bool:
    return read_flag(str(info.field_name), text)


def _read_views(text: str) -> list[str]:
    if set(text.split(",")) - {*VIEWS, ""}:
        raise ValueError(f"allowed: {', '.join(VIEWS)}, separated by commas")
    return [name for name in dict.fromkeys(text.split(",")) if name] or list(VIEWS)


def _check_view(name: str) -> str:
    if name not in VIEWS:
        raise ValueError(f"allowed: {', '.join(VIEWS)}")
    return name


def _refuse(wanted: bool, info: ValidationInfo) -> bool:
    if wanted:
        what = {"heatmap": "maps", "explain": "explanations"}[str(info.field_name)]
        raise ValueError(f"a job has no {what}; send the pictures of interest to /predict")
    return wanted


def _check_box(box: Box) -> Box:
    left, top, right, bottom = box
    if not (left < right and top < bottom):
        raise ValueError("left must be less than right, and top less than bottom")
    return box


Threshold = Annotated[
    float | None,
    BeforeValidator(_read_threshold),
    WithJsonSchema(THRESHOLD),
    Field(description=CONTRACT["threshold"]["description"]),
]
Flag = Annotated[bool, BeforeValidator(_read_flag)]
Refused = Annotated[Flag, AfterValidator(_refuse), WithJsonSchema({"const": "false"})]
Location = Annotated[
    Flag, Field(description="show where the picture was taken, if the file states it")
]
ElaQuality = Annotated[
    int, Field(ge=1, le=100, description="JPEG quality of the save that the error levels measure")
]
Views = Annotated[
    list[str],
    BeforeValidator(_read_views),
    WithJsonSchema({"type": "string", "pattern": f"^({VIEW})?(,({VIEW})?)*$"}),
]
ViewName = Annotated[str, AfterValidator(_check_view)]
Consent = Annotated[Flag, WithJsonSchema({"const": "true"})]
Fraction = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Rectangle = Annotated[tuple[Fraction, Fraction, Fraction, Fraction], AfterValidator(_check_box)]
Boxes = Annotated[
    Json[Annotated[list[Rectangle], Field(min_length=1, max_length=MAX_BOXES)]],
    WithJsonSchema({"type": "string", "contentMediaType": "application/json"}),
]


class FormSchema(GenerateJsonSchema):
    """The schema of fields that are texts: an empty one is missing, and none is null."""

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of what may be missing."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of a field with a default, which None is not."""
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return that no field has another title than its name."""
        return False


class Form(BaseModel):
    """The fields of a form beside its files; unknown and empty fields are ignored."""

    model_config = ConfigDict(frozen=True)
    files: ClassVar[dict[str, Any]] = ONE_FILE

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> Self:
        """Return what the fields of a form or query stand for.

        Raises:
            ForgeryError: `bad_parameter`, or `consent_needed`; the message names the field.
        """
        try:
            return cls.model_validate({name: text for name, text in fields.items() if text})
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            reason = first["msg"].removeprefix("Value error, ")
            place = ".".join(map(str, first["loc"]))
            sentence = f"{place}: {reason[0].lower()}{reason[1:]}." if place else f"{reason}."
            raise ApiError("bad_parameter", sentence) from error

    @classmethod
    def parameters(cls) -> list[dict[str, Any]]:
        """Return the fields as OpenAPI parameters of a query."""
        fields = cls.model_json_schema(schema_generator=FormSchema)["properties"]
        return [{"name": name, "in": "query", "schema": field} for name, field in fields.items()]

    @classmethod
    def body(cls) -> dict[str, Any]:
        """Return the form as the body of an OpenAPI operation."""
        schema = cls.model_json_schema(schema_generator=FormSchema)
        return {
            "multipart/form-data": {
                "type": "object",
                "required": ["file", *schema.get("required", [])],
                "properties": {"file": cls.files, **schema["properties"]},
            }
        }


class PredictForm(Form):
    """The fields of `POST /predict`."""

    files = FILES

    threshold: Threshold = None
    heatmap: Flag = Field(False, description=CONTRACT["heatmap"]["description"])
    explain: Flag = Field(False, description=CONTRACT["explain"]["description"])
    location: Flag = Field(False, description="on the page: show where the picture was taken")


class JobForm(Form):
    """The fields of `POST /v1/jobs`."""

    files = FILES

    threshold: Threshold = None
    heatmap: Refused = Field(False, description="false only: the maps come from /predict")
    explain: Refused = Field(False, description="false only: explanations come from /predict")


class JobQuery(Form):
    """The query of `GET /v1/jobs/ID`."""

    wait: float = Field(
        0, ge=0, le=30, allow_inf_nan=False, description="longest wait for the end, in seconds"
    )


class EvidenceForm(Form):
    """The fields of `POST /v1/evidence`."""

    views: Views = Field(
        default_factory=lambda: list(VIEWS),
        description=f"any of {', '.join(VIEWS)}, separated by commas; all by default",
    )
    location: Location = False
    ela_quality: ElaQuality = ELA_QUALITY


class ViewForm(Form):
    """What may be chosen of a kept result: in the addresses of its page, views and reports."""

    view: ViewName = ""
    ela_quality: ElaQuality = ELA_QUALITY
    why: Flag = Field(False, description="whether to tell why")


class AnalyzeForm(Form):
    """The fields of `POST /v1/analyze` and `POST /v1/report`."""

    threshold: Threshold = None
    location: Location = False
    ela_quality: ElaQuality = ELA_QUALITY


class FeedbackForm(Form):
    """The fields of `POST /v1/feedback`."""

    consent: Consent = Field(description="the file with all its metadata may be kept for training")
    opinion: Literal["right", "wrong", "where"]
    label: Label | None = Field(
        None, description="the truth; required unless the verdict or the opinion determines it"
    )
    boxes: Boxes | None = Field(
        None, description="[[left, top, right, bottom], …] as fractions of width and height"
    )

    @model_validator(mode="before")
    @classmethod
    def _needs_consent(cls, fields: dict[str, str]) -> dict[str, str]:
        if not read_flag("consent", fields.get("consent")):
            raise ApiError("consent_needed", "Nothing was saved: consent was not given.")
        return fields

    @model_validator(mode="after")
    def _names_places(self) -> Self:
        if self.opinion == "where" and not self.boxes:
            raise ValueError('boxes are required when opinion is "where"')
        return self
