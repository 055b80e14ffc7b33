"""Why the local cloud could not go on.

LocalCloudError
├── EmulatorError            the emulator did not come up
├── UnsupportedResource      the program declares or looks up something that the local cloud cannot give
├── FunctionFailed           a deployed function ended in an error
├── UnreadableMail           a mail does not say what it should, or the command in it does not work
└── NotInTime                something that was waited for did not happen
"""


class LocalCloudError(Exception):
    """Base of all errors of the local cloud; the message is meant to be shown."""


class EmulatorError(LocalCloudError):
    """The emulator did not come up; the message ends with what it had to say."""


class UnsupportedResource(LocalCloudError):
    """The program declares or looks up something that the local cloud cannot give: it needs a creator, or an answer."""


class FunctionFailed(LocalCloudError):
    """A deployed function ended in an error; the message is the function's own."""


class UnreadableMail(LocalCloudError):
    """A mail does not say what it should, or the command in it does not work."""


class NotInTime(LocalCloudError):
    """Something that was waited for did not happen by the deadline."""
