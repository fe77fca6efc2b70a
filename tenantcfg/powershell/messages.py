"""
PowerShell's parse errors: the text of each id.

These are what a user of PowerShell sees, recorded from a real engine; ``{0}`` is what the
error names.
"""

from __future__ import annotations

__all__ = ["MESSAGES"]

_FOREACH = "\nThe correct form is: foreach ($a in $b) {...}"

MESSAGES = {
    "BackgroundOperatorInPipelineChain": (
        "Background operators can only be used at the end of a pipeline chain."
    ),
    "BadNumericConstant": "The numeric constant {0} is not valid.",
    "DuplicateKeyInHashLiteral": "Duplicate keys '{0}' are not allowed in hash literals.",
    "DuplicateNamedArgument": "Duplicate named arguments '{0}' are not allowed.",
    "DuplicateScriptCommandClause": "Script command clause '{0}' has already been defined.",
    "EmptyPipeElement": "An empty pipe element is not allowed.",
    "EmptyPipelineChainElement": "A pipeline chain operator must be followed by a pipeline.",
    "EmptyVariableReference": (
        "An empty ${} variable reference was found. A name is required inside the braces."
    ),
    "EndSquareBracketExpectedAtEndOfAttribute": "Missing ] at end of attribute or type literal.",
    "EndSquareBracketExpectedAtEndOfType": "Missing ] at end of type token.",
    "ExpectedExpression": "An expression was expected after '('.",
    "ExpectedValueExpression": (
        "You must provide a value expression following the '{0}' operator."
    ),
    "ExpressionsMustBeFirstInPipeline": (
        "Expressions are only allowed as the first element of a pipeline."
    ),
    "IfStatementMissingCondition": "Missing condition in if statement after '{0} ('.",
    "IncompleteDollarSubexpressionReference": "$(subexpression) is missing the closing ')'.",
    # The doubled braces are the engine's own: it formats no message without arguments.
    "IncompleteDollarVariableReference": (
        "${{variable}} reference starting is missing the closing '}}'."
    ),
    "IncompleteString": "Incomplete string token.",
    "InvalidBracedVariableReference": (
        "Variable reference is not valid. The variable name is missing."
    ),
    "InvalidConfigurationName": (
        "The configuration name '{0}' is not valid. Standard names may only contain letters"
        " (a-z, A-Z), numbers (0-9), period (.), hyphen (-) and underscore (_). The name may not"
        " be null or empty, and should start with a letter."
    ),
    "InvalidForeachFlag": "The parameter {0} is not valid for the foreach statement.",
    "InvalidFunctionParameter": (
        "Parameter declarations are a comma-separated list of variable names with optional"
        " initializer expressions."
    ),
    "InvalidParameterForDataSectionStatement": (
        'The "{0}" parameter of the Data section is not valid. The valid Data section parameter'
        " is SupportedCommand."
    ),
    "InvalidSwitchFlag": "The parameter {0} is not valid for the switch statement.",
    "InvalidUnderlyingType": (
        "'{0}' is not a valid underlying type for enums. Expected a builtin integral type (one of"
        " byte, sbyte, short, ushort, int, uint, long or ulong)"
    ),
    "InvalidUnicodeEscapeSequence": (
        "The Unicode escape sequence is not valid. A valid sequence is `u{ followed by one to"
        " six hex digits and a closing '}'."
    ),
    "InvalidUnicodeEscapeSequenceValue": (
        "The Unicode escape sequence value is out of range. The maximum value is 0x10FFFF."
    ),
    "InvalidValueForUsingItemName": "'{0}' is not a valid value for using name.",
    "InvalidVariableReference": (
        "Variable reference is not valid. '$' was not followed by a valid variable name"
        " character. Consider using ${} to delimit the name."
    ),
    "InvalidVariableReferenceWithDrive": (
        "Variable reference is not valid. ':' was not followed by a valid variable name"
        " character. Consider using ${} to delimit the name."
    ),
    "MissingArgument": "Missing argument in parameter list.",
    "MissingArrayIndexExpression": "Array index expression is missing or not valid.",
    "MissingAssemblyNameSpecification": (
        "The type name is missing the assembly name specification."
    ),
    "MissingCatchHandlerBlock": "The Catch block is missing its statement block.",
    "MissingCatchOrFinally": "The Try statement is missing its Catch or Finally block.",
    "MissingColonInTernaryExpression": "Missing ':' in the ternary expression.",
    "MissingConfigurationName": (
        "The name for the configuration is missing. Provide the missing name as a simple name,"
        " string, or string-valued expression."
    ),
    "MissingCurlyBraceInSwitchStatement": "Missing '{' in switch statement.",
    "MissingEndCurlyBrace": "Missing closing '}' in statement block or type definition.",
    "MissingEndParenthesisAfterForeach": (
        "Missing closing ')' after expression part of foreach loop." + _FOREACH
    ),
    "MissingEndParenthesisAfterStatement": (
        "Missing closing ')' after expression in '{0}' statement."
    ),
    "MissingEndParenthesisInExpression": "Missing closing ')' in expression.",
    "MissingEndParenthesisInFunctionParameterList": "Missing ')' in function parameter list.",
    "MissingEndParenthesisInMethodCall": "Missing ')' in method call.",
    "MissingEndParenthesisInSubexpression": "Missing closing ')' in subexpression.",
    "MissingEndParenthesisInSwitchStatement": ("Missing ')' after expression in switch statement."),
    "MissingEndSquareBracket": "Missing ']' after array index expression.",
    "MissingEqualsInUsingAlias": ("Missing '=' operator"),
    "MissingEqualsInHashLiteral": "Missing '=' operator after key in hash literal.",
    "MissingExpression": "Missing expression after '{0}' in pipeline element.",
    "MissingExpressionAfterKeyword": "Missing expression after '{0}' in loop.",
    "MissingExpressionAfterOperator": "Missing expression after unary operator '{0}'.",
    "MissingExpressionAfterToken": "Missing expression after '{0}'.",
    "MissingExpressionInNamedArgument": "Missing statement after '=' in named argument.",
    "MissingFileSpecification": "Missing file specification after redirection operator.",
    "MissingFilenameOption": (
        "Cannot process the 'switch' statement because of a missing file name argument to the"
        " -file option."
    ),
    "MissingFinallyStatementBlock": "The Finally block is missing its statement block.",
    "MissingForeachExpression": "Missing expression in foreach loop." + _FOREACH,
    "MissingForeachStatement": "Missing statement body in foreach loop." + _FOREACH,
    "MissingFunctionBody": "Missing function body in function declaration.",
    "MissingInInForeach": "Missing 'in' after variable in foreach loop." + _FOREACH,
    "MissingLoopStatement": "Missing statement body in {0} loop.",
    "MissingNameAfterKeyword": "Missing name after {0} keyword.",
    "MissingNamedBlocks": (
        "unexpected token '{0}', expected 'begin', 'process', 'end', 'clean', or 'dynamicparam'."
    ),
    "MissingNamedStatementBlock": "Missing statement block after '{0}'.",
    "MissingNamespaceAlias": ("Missing namespace alias"),
    "MissingOpenParenthesisAfterKeyword": "Missing opening '(' after keyword '{0}'.",
    "MissingOpenParenthesisInIfStatement": "Missing '(' after '{0}' in if statement.",
    "MissingPropertyName": "Missing property name after reference operator.",
    "MissingStatementAfterKeyword": "Missing statement body after keyword '{0}'.",
    "MissingStatementBlock": "Missing statement block after {0} ( condition ).",
    "MissingStatementBlockAfterElse": "Missing statement block after 'else' keyword.",
    "MissingStatementBlockForDataSection": "The Data section is missing its statement block.",
    "MissingStatementInHashLiteral": "Missing statement after '=' in hash literal.",
    "MissingStatementTerminator": ("Missing a newline or semicolon."),
    "MissingSwitchConditionExpression": "Missing condition in switch statement clause.",
    "MissingSwitchStatementClause": "Missing statement block in switch statement clause.",
    "MissingTerminatorMultiLineComment": (
        "The terminator '#>' is missing from the multiline comment."
    ),
    "MissingThrottleLimit": (
        "The ThrottleLimit parameter of the foreach statement is missing a value. Supply a"
        " throttle limit to the parameter."
    ),
    "MissingTrapStatement": (
        "The 'trap' statement was incomplete. A trap statement requires a body."
    ),
    "MissingTryStatementBlock": "The Try statement is missing its statement block.",
    "MissingTypeBody": "Missing '{0}' body in '{0}' declaration.",
    "MissingTypeLiteralToken": "Missing type literal.",
    "MissingTypename": "Missing type name after '['.",
    "MissingUnicodeEscapeSequenceTerminator": (
        "The Unicode escape sequence is missing the closing '}'."
    ),
    "MissingUsingItemName": "Missing using name",
    "MissingUsingStatementDirective": "Missing using directive",
    "MissingValueForSupportedCommandInDataSectionStatement": (
        "The SupportedCommand parameter of the Data section is missing a value. Supply a cmdlet"
        " or function name to the parameter."
    ),
    "MissingVariableNameAfterForeach": "Missing variable name after foreach." + _FOREACH,
    "MissingWhileOrUntilInDoWhile": "Missing while or until keyword in do loop.",
    "MultipleSwitchDefaultClauses": "A switch statement can have only one default clause.",
    "OpenBraceNeedsToBeBackTickedInVariableName": "Use `{ instead of { in variable names.",
    "ParameterRequiresArgument": "Parameter {0} requires an argument.",
    # What a configuration comes to where DSC is not installed, without the stack trace.
    "ParserError": (
        "System.IO.DirectoryNotFoundException: Unable to find DSC schema store at"
        " /etc/opt/omi/conf/dsc/configuration. Please ensure PS DSC for Linux is installed."
    ),
    "PipelineValueRequired": (
        "A switch statement must have one of the following:  '-file file_name' or '( expression )'."
    ),
    "RedirectionNotSupported": "The '{0}' operator is reserved for future use.",
    "ReservedKeywordNotAllowed": (
        "The '{0}' keyword is not supported in this version of the language."
    ),
    "StreamAlreadyRedirected": "The {0} for this command is already redirected.",
    "TerminatorExpectedAtEndOfString": "The string is missing the terminator: {0}.",
    "TokenAfterEndOfValidScriptText": "Executable script code found in signature block.",
    "TooManyDigitsInUnicodeEscapeSequence": (
        "The Unicode escape sequence contains more than the maximum of six hex digits between"
        " braces."
    ),
    "TypeNameExpected": ("Type name expected."),
    "TypeNotAllowedBeforeParam": "Unexpected type [{0}] was found in the parameter statement.",
    "TypeNotAllowedBeforeStatement": "Unexpected type [{0}] was found before statement.",
    "UnexpectedAttribute": "Unexpected attribute '{0}'.",
    "UnexpectedCharactersAfterHereStringHeader": (
        "No characters are allowed after a here-string header but before the end of the line."
    ),
    "UnexpectedToken": "Unexpected token '{0}' in expression or statement.",
    "UnexpectedUnaryOperator": ("Internal error - unexpected unary operator {0}."),
    "UnrecognizedToken": "Unrecognized token in source text.",
    "UsingMustBeAtStartOfScript": (
        "A 'using' statement must appear before any other statements in a script."
    ),
    "WhitespaceBeforeHereStringFooter": (
        "White space is not allowed before the string terminator."
    ),
}
