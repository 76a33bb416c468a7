"""The settings of every step, as frozen and typed objects that refuse unknown keys.

Values come from `params.yaml` and from `-P name=value`; a field without a default must be in
one of the two. A field's description is the documentation of its parameter.
"""

from collections.abc import Collection
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo

from forgery_lab.evaluation.conditions import IMAGE_LEVEL
from forgery_lab.monitoring.window import Days
from forgery_pyfunc.features import FAMILIES

CONDITIONS = tuple(condition.name for condition in IMAGE_LEVEL)


def split_commas(value: Any) -> Any:
    """Return the parts of a list that is given as text, as `-P` does, separated by commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _stand_together(families: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(families)) < len(families):
        raise ValueError("each name once")
    alone = [name for name in families if not FAMILIES[name].on_blocks]
    if alone and len(families) > 1:
        raise ValueError(f"{alone[0]} alone, or the others")
    return families


def _one_of(names: Collection[str]) -> AfterValidator:
    """Return what refuses all other names, as pydantic does with those of a `Literal`."""
    *others, last = map(repr, names)

    def known(name: str) -> str:
        if name not in names:
            raise ValueError(f"{', '.join(others)} or {last}")
        return name

    return AfterValidator(known)


Names = Annotated[tuple[str, ...], BeforeValidator(split_commas)]
Features = Annotated[
    tuple[Annotated[str, _one_of(FAMILIES)], ...],
    BeforeValidator(split_commas),
    AfterValidator(_stand_together),
    Field(min_length=1, description="feature families, separated by commas"),
]
Seed = Annotated[int, Field(ge=0, lt=2**32, description="seed of all random choices")]
Protocols = Annotated[
    tuple[Annotated[str, _one_of(CONDITIONS)], ...],
    BeforeValidator(split_commas),
]
Frozen = Annotated[
    str, Field(min_length=1, description="frozen test set: a folder, an archive or a URL")
]
FrozenDigest = Annotated[
    str,
    Field(pattern="^([0-9a-f]{32})?$", description="expected digest of the frozen set's manifest"),
]
Share = Annotated[float, Field(gt=0, lt=1)]
Stage = Literal["Staging", "Production", "Archived"]


def _are_days(text: str) -> str:
    Days.parse(text)
    return text


LogDays = Annotated[str, AfterValidator(_are_days)]


class Entity(BaseModel):
    """A frozen record that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML's true and yes would pass as 1."""
        annotation = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and is_number(annotation):
            raise ValueError("a number")
        return value


def is_number(annotation: Any) -> bool:
    """Return whether a setting of this type is a number, or a number or None."""
    origin, members = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return is_number(members[0])
    if origin in (Union, UnionType):
        return any(is_number(member) for member in members)
    return annotation in (int, float)


class StepSettings(Entity):
    """The settings of an entry point: its parameters, and what it needs of other steps' settings.

    A field that holds the settings of another step is no parameter: the `ConfigurationManager`
    fills it from `params.yaml` and from the parameter `overrides`.
    """

    step: ClassVar[str]

    @classmethod
    def parameters(cls) -> dict[str, FieldInfo]:
        """Return the fields that `-P name=value` can set."""
        others = cls.other_steps()
        return {name: field for name, field in cls.model_fields.items() if name not in others}

    @classmethod
    def other_steps(cls) -> dict[str, "type[StepSettings]"]:
        """Return the steps whose settings this one needs, as {name: entity}."""
        return {
            name: field.annotation
            for name, field in cls.model_fields.items()
            if isinstance(field.annotation, type) and issubclass(field.annotation, StepSettings)
        }


class EngineSettings(StepSettings):
    """Where a step does its work: on this machine, or on a cluster that sees the same files."""

    engine: Literal["local", "spark"] = Field(
        "local", description="local: this machine's cores; spark: a cluster"
    )
    master: str = Field(
        "local[*]", description="of Spark: spark://host:port, yarn, k8s://… or local[2]"
    )


class Paths(Entity):
    """Where things are, relative to the workspace."""

    raw: Path
    frozen: Path
    manifest: Path
    ingest_report: Path
    splits: Path
    split_report: Path
    features: Path
    detector: Path
    checkpoints: Path
    training_report: Path
    training_plots: Path
    metrics: Path
    evaluation: Path
    audit: Path
    monitoring: Path
    random_split: Path
    release_work: Path
    runs: Path


class Config(Entity):
    """All of `config.yaml`."""

    experiment: str = Field(min_length=1)
    registered_model: str = Field(min_length=1)
    feedback_db: Path
    paths: Paths


class IngestSettings(EngineSettings):
    """From a source of images to a data root and its manifest."""

    step: ClassVar[str] = "ingest"
    seed: Seed
    source: str = Field(
        min_length=1,
        description="demo, a folder, an archive, http(s)://…, s3://…, kaggle:owner/name, "
        "feedback (the page's store) or feedback:PATH",
    )
    checksum: str = Field(
        pattern="^([0-9a-f]{64})?$", description="SHA-256 that a downloaded file must have"
    )
    demo_count: int = Field(ge=40, le=100_000, description="number of images that `demo` generates")
    frozen: Frozen
    frozen_digest: FrozenDigest


class PreprocessSettings(EngineSettings):
    """From a manifest to splits and cached features."""

    step: ClassVar[str] = "preprocess"
    seed: Seed
    split: Literal["source", "random"] = Field(
        description="source: no source photograph on two sides; random: as in most papers"
    )
    train_fraction: Share = Field(description="share of the images used for training")
    validation_fraction: Share = Field(
        description="share that chooses epoch and thresholds; what is left is the test split"
    )
    history: Literal["matched", "raw"] = Field(
        description="matched: both classes get the same number and kind of saves; raw: as shipped"
    )
    draws: int = Field(ge=1, le=20, description="matched histories drawn for every image")
    rescaled: int = Field(
        ge=0, le=20, description="further histories with a change of scale before the last save"
    )
    features: Features
    disk_budget_gb: float = Field(gt=0, description="gigabytes that cached features may take")


class LearningSettings(StepSettings):
    """How a network learns, in every step that trains one."""

    seed: Seed
    epochs: int = Field(ge=1, le=1000, description="passes over the training images, at most")
    batch_size: int = Field(
        ge=1, le=1024, description="images or windows of them per step of the optimiser"
    )
    learning_rate: float = Field(
        gt=0, le=1, description="initial rate of AdamW; it falls to 0 along a cosine"
    )
    averaging: float = Field(
        ge=0, lt=1, description="momentum of the mean of the weights, which is kept"
    )


class TrainSettings(LearningSettings):
    """From cached features to a detector."""

    step: ClassVar[str] = "train"
    network: Literal["blocks", "classic"] = Field(
        description="blocks: a logit per 8×8 block; classic: the field's usual ELA network"
    )
    patience: int = Field(ge=1, description="epochs without improvement before training stops")
    workers: int = Field(
        1, ge=1, le=1024, description="processes that train together, on each of the hosts"
    )
    hosts: Names = Field(
        ("localhost",),
        min_length=1,
        description="machines that train together, separated by commas; this one is the first",
    )


class EvaluateSettings(StepSettings):
    """From a model and a split data set to scores and a report."""

    step: ClassVar[str] = "evaluate"
    seed: Seed
    model: str = Field("", description="model URI; by default the detector that `train` wrote")
    draws: int = Field(ge=1, le=20, description="matched histories drawn for every test image")
    bootstrap: int = Field(ge=100, le=100_000, description="resamples behind every interval")
    protocols: Protocols = Field(
        CONDITIONS,
        min_length=1,
        description="which protocols to measure, where the model allows it",
    )
    robustness: bool = Field(description="protocol F: AUC against quality, scale and blur")
    extra: Names = Field((), description="protocol E: name:path,name:path")
    against: str = Field("", description="URI of a model to compare with, on identical images")
    folds: int = Field(
        0,
        ge=0,
        le=20,
        description="train a model per source-disjoint fold and judge out of fold; 0: do not",
    )
    overrides: Names = Field(
        (), description="settings of the folds' models: train.epochs=2,preprocess.draws=1"
    )
    preprocess: PreprocessSettings = Field(exclude=True)
    train: TrainSettings = Field(exclude=True)


class AuditSettings(StepSettings):
    """How much of a data set's labels can be predicted without looking at the images."""

    step: ClassVar[str] = "audit"
    seed: Seed
    data: Path = Field(description="folder of images in two classes")
    output: Path | None = Field(None, description="folder of the report")


class ForgeSettings(StepSettings):
    """Labelled forgeries of one's own photographs, in CASIA layout."""

    step: ClassVar[str] = "forge"
    seed: Seed
    input: Path = Field(description="folder of photographs")
    output: Path = Field(description="folder to write; it must not exist")
    count: int = Field(200, ge=2, description="number of images to make, half of them authentic")
    kinds: Names = Field(
        (), description="kinds of forgery, separated by commas; by default all of them"
    )


class ReleaseSettings(LearningSettings):
    """The detector that the project ships, from free photographs and forgeries of them."""

    step: ClassVar[str] = "release"
    photos: Path | None = Field(
        None,
        description="folder of photographs, with a table of their terms unless they are known; by "
        "default they are fetched",
    )
    most: int = Field(
        700, ge=1, description="photographs of one source of the web, those with the lowest SHA-256"
    )
    output: Path = Field(Path("forgery/shipped"), description="folder of the detector")
    features: Features
    draws: int = Field(ge=1, le=20, description="variants of every pair")
    width: int = Field(ge=8, le=256, description="channels of the network's layers")
    held_out: int = Field(0, ge=0, le=2, description="part that chooses the thresholds")
    cross_fit: bool = Field(False, description="train for every part, to count false alarms")
    recalibrate: bool = Field(
        False, description="train nothing: fit the calibration of the detector in `output` anew"
    )
    disk_budget_gb: float = Field(gt=0, description="gigabytes that cached features may take")


class PhotographClassifierSettings(StepSettings):
    """The classifier that tells photographs from screenshots, drawings and documents."""

    step: ClassVar[str] = "photograph_classifier"
    seed: Seed
    pictures: Path = Field(description="folder of the sorted pictures, laid out per repository")
    drawn: Path = Field(description="folder of pictures that are no photographs, with their table")
    photos: Path = Field(description="folder with photos/ and photos_web/")
    output: Path = Field(Path("forgery/shipped"), description="folder of the detector")
    held_out: Names = Field(
        ("gallery", "gb82", "mate"), description="sources that it does not learn from"
    )
    renditions: int = Field(2, ge=0, le=10, description="scaled and saved anew, of each picture")
    most_of_a_source: int = Field(500, ge=10, description="photographs of one source, at most")


class PromoteSettings(StepSettings):
    """Through the gate to a stage."""

    step: ClassVar[str] = "promote"
    seed: Seed
    stage: Stage = Field("Production", description="Staging, Production or Archived")
    version: int | None = Field(None, ge=1, description="by default the challenger")
    force: bool = Field(False, description="promote against the gate; needs a reason")
    reason: str = Field("", max_length=500, description="why it is forced")
    frozen: Frozen
    frozen_digest: FrozenDigest
    draws: int = Field(ge=1, le=20, description="matched histories drawn for every frozen image")
    margin: float = Field(
        ge=0, le=1, description="AUC by which a challenger may be worse than the champion"
    )
    least_sources: int = Field(ge=1, description="fewest source photographs that count as evidence")
    false_alarms: float = Field(
        ge=0, le=1, description="share of authentic frozen images that may be called forged"
    )
    calibration_error: float = Field(
        ge=0, le=1, description="largest calibration error, bias-corrected"
    )
    latency_ratio: float = Field(
        gt=0, description="largest ratio of the challenger's time to the champion's"
    )
    megabytes: float = Field(gt=0, description="the largest size of a model")


class RegisterSettings(StepSettings):
    """From a detector to a version in the model registry."""

    step: ClassVar[str] = "register"
    detector: Path | None = Field(None, description="folder; by default what `train` wrote")
    overrides: Names = Field(
        (), description="settings of the gate for the shipped detector: promote.margin=0.1"
    )
    promote: PromoteSettings = Field(exclude=True)


class RollbackSettings(StepSettings):
    """Back to the previous champion."""

    step: ClassVar[str] = "rollback"
    reason: str = Field("", max_length=500, description="why, for the history")


class ScoreSettings(EngineSettings):
    """From a folder of images to a table of verdicts."""

    step: ClassVar[str] = "score"
    input: str = Field(min_length=1, description="folder of images, or s3://bucket/prefix")
    output: str = Field(
        min_length=1,
        description="table to write, a path or s3://bucket/key: .parquet or .csv; with Spark a "
        "new folder .parquet",
    )
    model: str = Field("", description="model URI; by default the champion")
    threshold: float | None = Field(None, ge=0, le=1, description="replaces the grey band")


class MonitorSettings(StepSettings):
    """Whether inputs or scores of a prediction log drift, and how well the model still does."""

    step: ClassVar[str] = "monitor"
    seed: Seed
    reference: str = Field(min_length=1, description="log to compare with: a folder or s3://…")
    current: str = Field(min_length=1, description="log to judge, may be the same")
    reference_days: LogDays = Field(
        "", description="FROM:TO like 2026-11-01:2026-11-30, or a number of last days; empty: all"
    )
    current_days: LogDays = Field("", description="as reference_days")
    output: Path | None = Field(None, description="folder of the report")
    alarm_rate: float = Field(
        gt=0, lt=1, description="probability of an alarm for a window without drift, at most"
    )
    least_reference: int = Field(ge=100, description="images that the reference needs")
    least_current: int = Field(ge=100, description="images that the window needs")
    least_shift: float = Field(
        ge=0, lt=1, description="smallest difference of two distributions that raises an alarm"
    )
    bootstrap: int = Field(
        300, ge=100, le=100_000, description="resamples behind every interval of performance"
    )


class ServeSettings(StepSettings):
    """A scoring server and the web page in front of it."""

    step: ClassVar[str] = "serve"
    model: str = Field("", description="model URI; by default the champion")
    port: int = Field(8080, ge=1, le=65535, description="port of the web page")
    scoring_port: int = Field(
        5001, ge=1, le=65535, description="port of the scoring server, on loopback"
    )
    follow: bool = Field(False, description="switch when the alias moves to another version")
    overrides: Names = Field(
        (), description="settings of the gate for a new detector: promote.margin=0.1"
    )
    promote: PromoteSettings = Field(exclude=True)


class MainSettings(StepSettings):
    """The whole pipeline, or a part of it, as child runs of one parent run."""

    step: ClassVar[str] = "main"
    steps: Names = Field(
        ("ingest", "preprocess", "train", "evaluate", "register", "promote"),
        min_length=1,
        description="which steps to run, in order, separated by commas",
    )
    source: str = Field("", description="as `ingest -P source=…`; by default what params.yaml says")
    overrides: Names = Field(
        (), description="settings of the steps: train.epochs=2,ingest.demo_count=60"
    )
    folder: Path | None = Field(
        None, description="new folder to work in; by default runs/main/RUN in the workspace"
    )


SETTINGS: dict[str, type[StepSettings]] = {
    entity.step: entity
    for entity in (
        IngestSettings,
        PreprocessSettings,
        TrainSettings,
        EvaluateSettings,
        AuditSettings,
        ForgeSettings,
        ReleaseSettings,
        PhotographClassifierSettings,
        RegisterSettings,
        PromoteSettings,
        RollbackSettings,
        ScoreSettings,
        MonitorSettings,
        ServeSettings,
        MainSettings,
    )
}
"""The entry points of `MLproject`, each with its settings."""
