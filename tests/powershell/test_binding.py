"""Which parameter a name means, and which error wins (cmdlets B4 to B15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantcfg.powershell import Cmdlet, Kind, Parameter, Session, parse
from tenantcfg.powershell.binding import matching
from tenantcfg.powershell.records import StatementFailed
from tenantcfg.powershell.tree import Extent

if TYPE_CHECKING:
    from tenantcfg.powershell import ErrorRecord, Host, Invocation

NOWHERE = Extent(0, 0)
LIST = "AllowRemoveParticipantAppIds"


class Silent:
    """A host that nobody looks at."""

    def __getattr__(self, name: str) -> object:
        return lambda *_: 0


def silent() -> Host:
    host: Host = Silent()  # type: ignore[assignment]  # it has whatever is asked for
    return host


def nothing(call: Invocation) -> None:
    """Do nothing."""


SET = Cmdlet(
    "Set-X",
    (
        Parameter(LIST, Kind.LIST_MODIFIER),
        Parameter("Force", Kind.SWITCH),
        Parameter("Identity", Kind.STRING, sets=("Identity",), position=1),
        Parameter("Instance", Kind.OBJECT, sets=("Instance",), by_value=True),
        Parameter("Reason", Kind.STRING, extension=True),
        Parameter("Identify", Kind.SWITCH, extension=True),
    ),
    nothing,
    default_set="Identity",
    supports_should_process=True,
)
GET = Cmdlet(
    "Get-X",
    (
        Parameter("Identity", Kind.STRING, sets=("Identity",), position=1),
        Parameter("LocalStore", Kind.SWITCH),
        Parameter("Filter", Kind.STRING, sets=("Filter",)),
    ),
    nothing,
    default_set="Identity",
)


def meant(cmdlet: Cmdlet, name: str) -> str | None:
    parameter = matching(cmdlet, name, NOWHERE)
    return parameter.name if parameter else None


def error_of(line: str) -> ErrorRecord | None:
    outcome = Session([SET, GET], silent()).run(parse(line).script)
    return outcome.first_error


def id_of(line: str) -> str | None:
    error = error_of(line)
    return error.id if error else None


@pytest.mark.parametrize(
    ("cmdlet", "name", "parameter"),
    [
        (SET, "a", LIST),
        (SET, "Id", "Identity"),
        (SET, "In", "Instance"),
        (SET, "f", "Force"),
        (SET, "Wh", "WhatIf"),
        (SET, "c", "Confirm"),
        (SET, "wi", "WhatIf"),
        (SET, "cf", "Confirm"),
        (SET, "vb", "Verbose"),
        (SET, "INFA", "InformationAction"),
        (SET, "ob", "OutBuffer"),
        (SET, "L", None),
        (GET, "I", "Identity"),
        (GET, "L", "LocalStore"),
        (GET, "Wh", None),
        (GET, "C", None),
        (GET, "Foo", None),
    ],
)
def test_a_name_means_the_one_parameter_that_it_begins(
    cmdlet: Cmdlet, name: str, parameter: str | None
) -> None:
    assert meant(cmdlet, name) == parameter


@pytest.mark.parametrize(
    ("cmdlet", "name", "candidates"),
    [
        (SET, "I", "-Identity -Instance -InformationAction -InformationVariable"),
        (SET, "Inf", "-InformationAction -InformationVariable"),
        (SET, "W", "-WarningAction -WarningVariable -WhatIf"),
        (GET, "W", "-WarningAction -WarningVariable"),
        (GET, "In", "-InformationAction -InformationVariable"),
        (GET, "E", "-ErrorAction -ErrorVariable"),
        (GET, "O", "-OutVariable -OutBuffer"),
        (GET, "P", "-ProgressAction -PipelineVariable"),
    ],
)
def test_a_name_that_begins_several_is_ambiguous(
    cmdlet: Cmdlet, name: str, candidates: str
) -> None:
    with pytest.raises(StatementFailed) as failed:
        matching(cmdlet, name, NOWHERE)

    assert failed.value.record.message == (
        f"Parameter cannot be processed because the parameter name '{name}' is ambiguous. "
        f"Possible matches include: {candidates}."
    )


def test_a_parameter_of_ours_is_found_by_its_full_name_alone() -> None:
    assert meant(SET, "reason") == "Reason"
    assert meant(SET, "Reaso") is None
    assert meant(SET, "R") is None


def test_a_parameter_of_ours_makes_no_prefix_ambiguous() -> None:
    assert meant(SET, "Identi") == "Identity"
    assert meant(SET, "Identify") == "Identify"


@pytest.mark.parametrize(
    ("line", "error_id"),
    [
        ("nosuch", "CommandNotFoundException"),
        ("Set-X -Identity", "MissingArgument"),
        ("Set-X -Identity -WhatIf", "MissingArgument"),
        ("Set-X -Identity -Foo:x", "MissingArgument"),
        ("Set-X -Identity --", "MissingArgument"),
        ("Set-X -Identity -E", "AmbiguousParameter"),
        ("Set-X -Identity -Bogus", None),
        ("Set-X -Force -Force", "ParameterAlreadyBound"),
        ("Set-X -Identity a -Instance b", "AmbiguousParameterSet"),
        ("Set-X -Instance b a", "PositionalParameterNotFound"),
        ("Get-X -Identity a -Filter b", "AmbiguousParameterSet"),
        ("Get-X a b", "PositionalParameterNotFound"),
        ("Get-X -Foo", "NamedParameterNotFound"),
        ("Set-X a,b", "ParameterArgumentTransformationError"),
        ("Set-X -Confirm:x", "CannotConvertArgument"),
        ("Set-X -ErrorAction X", "CannotConvertArgumentNoMessage"),
        ("Set-X -ErrorAction Suspend", "ParameterBindingFailed"),
        ("Set-X -OutBuffer -1", "ParameterArgumentValidationError"),
        ("Set-X -ov true", "VariableNotWritable"),
        ("Set-X -ov MyInvocation", "ConvertToFinalInvalidCastException"),
        ("Set-X -ov global:", "Argument"),
        ("Set-X -pv global:", None),
        ("Set-X -pv null", "VariableNotWritable"),
        ("Set-X -pv variable:null", None),
        ("Set-X -ov private:x", None),
        ("Set-X -ov private:true", "VariableNotWritable"),
        ("Set-X -ov private:psitem", "VariableOptionsNotSettable"),
        ("Set-X -pv Private:MyInvocation", "VariableOptionsNotSettable"),
        ("Set-X -ov private:MyInvocation", "ConvertToFinalInvalidCastException"),
        ("'x' | Set-X -Identity a", "InputObjectNotBound"),
        ("'x' | Get-X", "InputObjectNotBound"),
        ("'x' | Set-X", None),
        ("Set-X -- -Force", None),
    ],
)
def test_each_wrong_line_has_its_error(line: str, error_id: str | None) -> None:
    assert id_of(line) == error_id


@pytest.mark.parametrize(
    ("line", "error_id"),
    [
        # The scan for values comes before the conversions.
        ("Set-X -Force:x -Identity", "MissingArgument"),
        # Conversions come before sets, sets before what is left over.
        ("Set-X -Foo -A @{Bad=1}", "ParameterArgumentTransformationError"),
        ("Set-X -Identity a -Instance b -A @{Bad=1}", "ParameterArgumentTransformationError"),
        ("Set-X -Identity a -Instance b -Foo", "AmbiguousParameterSet"),
        # Of what is left over the first is named.
        ("Set-X a b -Foo", "PositionalParameterNotFound"),
        ("Set-X -Foo a b", "NamedParameterNotFound"),
        # What stands behind an unknown name is its value and is not converted.
        ("Set-X -Foo a,b", "NamedParameterNotFound"),
        ("Set-X a,b -Foo", "ParameterArgumentTransformationError"),
    ],
)
def test_errors_win_in_powershell_s_order(line: str, error_id: str) -> None:
    assert id_of(line) == error_id


def test_a_missing_value_names_parameter_and_type() -> None:
    error = error_of("Set-X -A")

    assert error is not None
    assert error.message == (
        f"Missing an argument for parameter '{LIST}'. Specify a parameter of type "
        "'System.Management.Automation.PSListModifier`1[System.String]' and try again."
    )
    assert error.fqid == "MissingArgument,Set-X"


@pytest.mark.parametrize(
    ("line", "name"),
    [("Set-X -Id a -Ide b", "Identity"), ("Set-X -Id:a -Ide:b", "Ide"), ("Set-X -wi -Wh", "Wh")],
)
def test_a_repeated_parameter_is_named_in_full_only_where_it_took_its_value(
    line: str, name: str
) -> None:
    error = error_of(line)

    assert error is not None
    assert f"parameter '{name}' is specified more than once" in error.message


@pytest.mark.parametrize(
    ("argument", "shown"),
    [("$null", "$null"), ("a,b", "System.Object[]"), ("0x10", "0x10"), ("$true", "True")],
)
def test_an_argument_too_many_is_shown_as_typed(argument: str, shown: str) -> None:
    error = error_of(f"Get-X a {argument}")

    assert error is not None
    assert error.message == (
        f"A positional parameter cannot be found that accepts argument '{shown}'."
    )


def test_a_minimum_is_kept_by_a_cmdlet_s_own_number_too() -> None:
    least = Parameter("ResultSize", Kind.INT, minimum=0)
    session = Session([Cmdlet("Get-Y", (least,), nothing)], silent())

    (error,) = session.run(parse("Get-Y -ResultSize -1").script).errors

    assert error.fqid == "ParameterArgumentValidationError,Get-Y"
    assert "The -1 argument is less than the minimum allowed range of 0." in error.message
