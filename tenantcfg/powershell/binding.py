"""
Cmdlets declared, and a command's arguments bound to their parameters.

The passes stand in PowerShell's order, which decides the error that wins (cmdlets B15): a
scan for missing values, named arguments, positional ones, parameter sets, what is left over.
The dry pass binds too, with `UNKNOWN` where a value is not known before the text runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn

from tenantcfg.powershell.conversions import (
    Conversion,
    Kind,
    Misfit,
    VariablePath,
    convert,
    dotnet_type,
)
from tenantcfg.powershell.records import Category, ErrorRecord, StatementFailed
from tenantcfg.powershell.values import NOTHING, argument_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tenantcfg.powershell.invocation import Invocation
    from tenantcfg.powershell.tree import Extent
    from tenantcfg.powershell.values import Value

__all__ = [
    "COMMON",
    "UNKNOWN",
    "Argument",
    "Binding",
    "Cmdlet",
    "Parameter",
    "bind",
    "bind_piped",
    "matching",
]

_SMA = "System.Management.Automation."
_ALL_SETS = "__AllParameterSets"


class _Unknown:
    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()
"""A value that only running the text would give."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """
    One parameter of a cmdlet.

    Attributes:
        sets: the parameter sets it belongs to; empty: all.
        position: its place among the arguments without a name; None: it needs its name.
        by_value: whether it takes objects from the pipeline.
        extension: ours, not the real cmdlet's. It is found by its full name alone, and no
            ambiguity knows it, so that it never changes what a real line means.
        minimum: the least value of a whole number; None: any.
    """

    name: str
    kind: Kind
    sets: tuple[str, ...] = ()
    position: int | None = None
    by_value: bool = False
    aliases: tuple[str, ...] = ()
    extension: bool = False
    minimum: int | None = None

    @property
    def is_switch(self) -> bool:
        """Whether it stands alone and never takes the next word."""
        return self.kind in {Kind.SWITCH, Kind.ENGINE_SWITCH}


@dataclass(frozen=True, slots=True)
class Cmdlet:
    """
    A cmdlet: its name, its parameters, its work.

    Attributes:
        run: the body, called once, or once for each object of the pipeline.
        judge: what can be said of bound values before anything runs: the error, or None.
            Called by the dry pass, and only when every value is known.
        default_set: the parameter set that stands where nothing decides; None: there is one.
        supports_should_process: whether it has -WhatIf and -Confirm.
        module: its module's name, by which its own may be qualified.
        error_source: what stands behind the comma of its errors' ids; None: its name.
    """

    name: str
    parameters: tuple[Parameter, ...]
    run: Callable[[Invocation], None]
    judge: Callable[[Mapping[str, Any]], Exception | None] | None = None
    default_set: str | None = None
    supports_should_process: bool = False
    module: str = "MicrosoftTeams"
    error_source: str | None = None

    @property
    def own_and_common(self) -> tuple[Parameter, ...]:
        """Its own parameters as declared, then the common ones (cmdlets B5)."""
        should = _SHOULD_PROCESS if self.supports_should_process else ()
        return (*self.parameters, *COMMON, *should)

    @property
    def sets(self) -> frozenset[str]:
        """The names of its parameter sets."""
        names = (name for parameter in self.parameters for name in parameter.sets)
        return frozenset(names) or frozenset({self.default_set or _ALL_SETS})


def _common(name: str, alias: str, kind: Kind, minimum: int | None = None) -> Parameter:
    return Parameter(name, kind, aliases=(alias,), minimum=minimum)


COMMON = (
    _common("Verbose", "vb", Kind.ENGINE_SWITCH),
    _common("Debug", "db", Kind.ENGINE_SWITCH),
    _common("ErrorAction", "ea", Kind.ENGINE_ACTION),
    _common("WarningAction", "wa", Kind.ENGINE_ACTION),
    _common("InformationAction", "infa", Kind.ENGINE_ACTION),
    _common("ProgressAction", "proga", Kind.ENGINE_ACTION),
    _common("ErrorVariable", "ev", Kind.ENGINE_VARIABLE),
    _common("WarningVariable", "wv", Kind.ENGINE_VARIABLE),
    _common("InformationVariable", "iv", Kind.ENGINE_VARIABLE),
    _common("OutVariable", "ov", Kind.ENGINE_VARIABLE),
    _common("OutBuffer", "ob", Kind.ENGINE_INT, minimum=0),
    _common("PipelineVariable", "pv", Kind.ENGINE_VARIABLE),
)
"""The parameters that every cmdlet has, in PowerShell's order."""

_SHOULD_PROCESS = (
    _common("WhatIf", "wi", Kind.ENGINE_SWITCH),
    _common("Confirm", "cf", Kind.ENGINE_SWITCH),
)
_DASHES = "-\u2013\u2014\u2015"


@dataclass(frozen=True, slots=True)
class Argument:
    """
    One argument of a command, its expression already evaluated.

    Attributes:
        name: of a parameter, as typed and without the dash; None: a value alone.
        text: a parameter's token as typed.
        value: what is attached or stands alone.
        extent: of the whole argument.
        value_extent: of its value; None: it has none.
    """

    extent: Extent
    name: str | None = None
    text: str = ""
    value: Value = None
    value_extent: Extent | None = None

    @property
    def has_value(self) -> bool:
        """Whether a value is attached (or it is one)."""
        return self.value_extent is not None


@dataclass(frozen=True, slots=True)
class Binding:
    """What a command's arguments came to: values by canonical name, and the sets still open."""

    cmdlet: Cmdlet
    extent: Extent
    bound: Mapping[str, Value]
    sets: frozenset[str]

    @property
    def parameter_set(self) -> str:
        """The set that is in force."""
        default = self.cmdlet.default_set
        if default is not None and default in self.sets:
            return default
        return min(self.sets)

    @property
    def is_known(self) -> bool:
        """Whether no value waits for the text to run."""
        return all(value is not UNKNOWN for value in self.bound.values())


def bind(cmdlet: Cmdlet, arguments: Sequence[Argument], extent: Extent) -> Binding:
    """
    The binding of *arguments*, as PowerShell does it (cmdlets B15, passes 4 to 8).

    *extent* is the whole command's, where an error about no single argument is shown.

    Raises:
        StatementFailed: the first error in that order.
    """
    work = _Work(cmdlet, extent)
    left = work.bind_named(work.scan(arguments))
    left = work.bind_positional(left)
    work.check_sets()
    work.check_left(left)
    return Binding(cmdlet, extent, work.bound, work.sets)


def bind_piped(binding: Binding, piped: Value) -> Binding:
    """
    *binding* with the object *piped* bound by value.

    Raises:
        StatementFailed: no parameter takes it (``InputObjectNotBound``, cmdlets B17).
    """
    for parameter in binding.cmdlet.parameters:
        sets = binding.sets & frozenset(parameter.sets or binding.cmdlet.sets)
        if parameter.by_value and parameter.name not in binding.bound and sets:
            value = _converted(binding.cmdlet, parameter, piped, binding.extent)
            return replace(binding, bound={**binding.bound, parameter.name: value}, sets=sets)
    raise StatementFailed(
        _error(
            binding.cmdlet,
            "InputObjectNotBound",
            "The input object cannot be bound to any parameters for the command either because "
            "the command does not take pipeline input or the input and its properties do not "
            "match any of the parameters that take pipeline input.",
            binding.extent,
            target=_target_text(piped),
        )
    )


def matching(cmdlet: Cmdlet, name: str, extent: Extent) -> Parameter | None:
    """
    The parameter that *name* means: in full, by alias, or by a prefix that fits one (B4).

    Raises:
        StatementFailed: the prefix fits several.
    """
    wanted = _without_dash(name).lower()
    every = cmdlet.own_and_common
    exact = _exact(every, wanted)
    if exact is not None:
        return exact
    near = [one for one in every if not one.extension and _begins(one, wanted)]
    if len(near) > 1:
        own = [one for one in near if one in cmdlet.parameters]
        if len(own) == 1:
            return own[0]
        listed = " ".join(f"-{one.name}" for one in near)
        raise StatementFailed(
            _error(
                cmdlet,
                "AmbiguousParameter",
                f"Parameter cannot be processed because the parameter name '{name}' is "
                f"ambiguous. Possible matches include: {listed}.",
                extent,
            )
        )
    return near[0] if near else None


@dataclass(slots=True)
class _Work:
    """The state that the passes share."""

    cmdlet: Cmdlet
    extent: Extent
    bound: dict[str, Value] = field(default_factory=dict)
    sets: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.sets = self.cmdlet.sets

    def scan(self, arguments: Sequence[Argument]) -> list[Argument]:
        """Give each named parameter that has none its value (B7, B8)."""
        result: list[Argument] = []
        waiting = iter(range(len(arguments)))
        for index in waiting:
            argument = arguments[index]
            parameter = None
            if argument.name is not None and not argument.has_value:
                parameter = self._match(argument)
            if parameter is None or parameter.is_switch:
                result.append(argument)
                continue
            following = arguments[index + 1] if index + 1 < len(arguments) else None
            result.append(self._with_next(argument, parameter, following))
            next(waiting, None)
        return result

    def _with_next(
        self, argument: Argument, parameter: Parameter, following: Argument | None
    ) -> Argument:
        if following is None:
            self._missing(argument, parameter)
        value = following.value
        if following.name is not None:
            if self._match(following) is not None or following.has_value:
                self._missing(argument, parameter)
            # Not known as a parameter, so it is the value (cmdlets B8).
            value = following.text
        where = following.value_extent or following.extent
        return replace(argument, name=parameter.name, value=value, value_extent=where)

    def bind_named(self, arguments: Iterable[Argument]) -> list[Argument]:
        """Bind what has a known name; what is left over comes back."""
        left = []
        for argument in arguments:
            parameter = None if argument.name is None else self._match(argument)
            if parameter is None:
                left.append(argument)
                continue
            if parameter.name in self.bound:
                self._bound_already(argument)
            value = argument.value if argument.has_value else True
            self._bind(parameter, value, argument.value_extent or argument.extent)
        return left

    def bind_positional(self, arguments: Iterable[Argument]) -> list[Argument]:
        """Bind values without a name to the free positions of the sets still open (B12)."""
        left = []
        free = sorted(
            (one for one in self.cmdlet.parameters if self._is_free(one)),
            key=lambda one: one.position or 0,
        )
        after_unknown = False
        for argument in arguments:
            # What follows an unknown parameter would have been its value.
            if argument.name is not None or after_unknown or not free:
                left.append(argument)
                after_unknown = argument.name is not None
                continue
            self._bind(free.pop(0), argument.value, argument.value_extent or argument.extent)
        return left

    def check_sets(self) -> None:
        """Refuse parameters that share no set (B13)."""
        if not self.sets:
            self._fail(
                "AmbiguousParameterSet",
                "Parameter set cannot be resolved using the specified named parameters. One or "
                "more parameters issued cannot be used together or an insufficient number of "
                "parameters were provided.",
                self.extent,
            )

    def check_left(self, left: Sequence[Argument]) -> None:
        """Refuse the first argument that nothing took (B6, B12)."""
        if not left:
            return
        first = left[0]
        if first.name is not None:
            self._fail(
                "NamedParameterNotFound",
                "A parameter cannot be found that matches parameter name "
                f"'{_without_dash(first.name)}'.",
                first.extent,
            )
        self._fail(
            "PositionalParameterNotFound",
            "A positional parameter cannot be found that accepts argument "
            f"'{argument_text(first.value)}'.",
            self.extent,
        )

    def _is_free(self, parameter: Parameter) -> bool:
        fits = not parameter.sets or not self.sets.isdisjoint(parameter.sets)
        return parameter.position is not None and parameter.name not in self.bound and fits

    def _bind(self, parameter: Parameter, value: Value, extent: Extent) -> None:
        self.bound[parameter.name] = _converted(self.cmdlet, parameter, value, extent)
        if parameter.sets:
            self.sets &= frozenset(parameter.sets)

    def _match(self, argument: Argument) -> Parameter | None:
        return matching(self.cmdlet, argument.name or "", argument.extent)

    def _missing(self, argument: Argument, parameter: Parameter) -> NoReturn:
        self._fail(
            "MissingArgument",
            f"Missing an argument for parameter '{parameter.name}'. Specify a parameter of type "
            f"'{dotnet_type(parameter.kind)}' and try again.",
            argument.extent,
        )

    def _bound_already(self, argument: Argument) -> NoReturn:
        self._fail(
            "ParameterAlreadyBound",
            f"Cannot bind parameter because parameter '{argument.name}' is specified more than "
            "once. To provide multiple values to parameters that can accept multiple values, use "
            'the array syntax. For example, "-parameter value1,value2,value3".',
            argument.extent,
        )

    def _fail(self, name: str, message: str, extent: Extent) -> NoReturn:
        raise StatementFailed(_error(self.cmdlet, name, message, extent))


def unwritable_variable(binding: Binding, extent: Extent) -> ErrorRecord | None:
    """
    The error of the first ``-...Variable`` that PowerShell could not set (cmdlets B17).

    It is shown at *extent*, which is the statement that ran last, not the command.
    """
    for parameter in _VARIABLES:
        given = binding.bound.get(parameter)
        if isinstance(given, str):
            piped = parameter == _PIPELINE_VARIABLE
            path = VariablePath.of(given, parameter, append=not piped)
            error = _piped_variable_error(path) if piped else _list_variable_error(path)
            if error is not None:
                return replace(error, extent=extent)
    return None


def _list_variable_error(path: VariablePath) -> ErrorRecord | None:
    """Why a list of what came out could not be kept in the variable."""
    name = path.name.lower()
    if not name:
        return _runtime_error(
            "Argument",
            'Cannot process argument because the value of argument "name" is not valid. Change '
            'the value of the "name" argument and run the operation again.',
        )
    if name in _READ_ONLY:
        return _not_writable(_READ_ONLY[name])
    if name in _TYPED:
        return _runtime_error(
            "ConvertToFinalInvalidCastException",
            'Cannot convert the "System.Collections.ArrayList" value of type '
            f'"System.Collections.ArrayList" to type "{_SMA}{_TYPED[name]}".',
        )
    return _not_private(path)


def _piped_variable_error(path: VariablePath) -> ErrorRecord | None:
    """Why the object that passes by could not be kept in the variable."""
    name = path.name.lower()
    if name in _READ_ONLY or name == "null":
        return _not_writable(path.name)
    return _not_private(path)


def _not_private(path: VariablePath) -> ErrorRecord | None:
    name = _AUTOMATIC.get(path.name.lower())
    if name is None or path.scope != "private":
        return None
    return _unauthorized(
        "VariableOptionsNotSettable",
        f"Cannot set options on the local variable {name}. Use New-Variable to create a "
        "variable that allows options to be set.",
        name,
    )


def _not_writable(name: str) -> ErrorRecord:
    message = f"Cannot overwrite variable {name} because it is read-only or constant."
    return _unauthorized("VariableNotWritable", message, name)


def _unauthorized(error_id: str, message: str, name: str) -> ErrorRecord:
    exception = _SMA + "SessionStateUnauthorizedAccessException"
    return ErrorRecord(error_id, Category.WRITE_ERROR, message, exception, target=name)


def _runtime_error(error_id: str, message: str) -> ErrorRecord:
    return ErrorRecord(error_id, Category.INVALID_ARGUMENT, message, _SMA + "RuntimeException")


_PIPELINE_VARIABLE = "PipelineVariable"
_VARIABLES = (
    "OutVariable",
    "ErrorVariable",
    "WarningVariable",
    _PIPELINE_VARIABLE,
    "InformationVariable",
)
_READ_ONLY = {
    name.lower(): name
    for name in (
        "? true false PID HOME Host PSHOME PSVersionTable PSEdition ExecutionContext ShellId "
        "PSCulture PSUICulture IsLinux IsMacOS IsWindows IsCoreCLR EnabledExperimentalFeatures"
    ).split()
}
# Variables of a function that hold one type and no list.
_TYPED = {
    "myinvocation": "InvocationInfo",
    "psboundparameters": "PSBoundParametersDictionary",
    "pscmdlet": "PSScriptCmdlet",
}
# Variables that every function has of its own, and cannot make private.
_AUTOMATIC = {
    name.lower(): name
    for name in (
        "_ args this input PSCmdlet PSBoundParameters MyInvocation PSScriptRoot PSCommandPath"
    ).split()
} | {"psitem": "_"}


def _converted(cmdlet: Cmdlet, parameter: Parameter, value: Value, extent: Extent) -> Value:
    if value is UNKNOWN:
        return UNKNOWN
    try:
        result = convert(None if value is NOTHING else value, parameter.kind, parameter.name)
        _check_minimum(parameter, result)
    except Misfit as why:
        name, category, exception = why.conversion.value
        record = _error(cmdlet, name, why.message, extent)
        raise StatementFailed(
            replace(record, category=category, exception=_SMA + exception)
        ) from None
    return result


def _check_minimum(parameter: Parameter, value: Value) -> None:
    if parameter.minimum is not None and isinstance(value, int) and value < parameter.minimum:
        raise Misfit(
            Conversion.VALIDATION,
            f"Cannot validate argument on parameter '{parameter.name}'. The {value} argument is "
            f"less than the minimum allowed range of {parameter.minimum}. Supply an argument that "
            f"is greater than or equal to {parameter.minimum} and then try the command again.",
        )


def _error(
    cmdlet: Cmdlet, name: str, message: str, extent: Extent, target: str | None = None
) -> ErrorRecord:
    return ErrorRecord(
        fqid=f"{name},{cmdlet.error_source or cmdlet.name}",
        category=Category.INVALID_ARGUMENT,
        message=message,
        target=target,
        extent=extent,
        command=cmdlet.name,
    )


def _target_text(piped: Value) -> str | None:
    if isinstance(piped, tuple):
        return "System.Object[]"
    return None if piped is None else str(piped)


def _exact(parameters: Iterable[Parameter], wanted: str) -> Parameter | None:
    by_alias = None
    for one in parameters:
        if one.name.lower() == wanted:
            return one
        if any(alias.lower() == wanted for alias in one.aliases):
            by_alias = by_alias or one
    return by_alias


def _begins(parameter: Parameter, wanted: str) -> bool:
    names = (parameter.name, *parameter.aliases)
    return any(name.lower().startswith(wanted) for name in names)


def _without_dash(name: str) -> str:
    return name[1:] if name[:1] and name[0] in _DASHES else name
