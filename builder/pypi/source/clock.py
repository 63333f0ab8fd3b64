# As sitecustomize, sets what Python code reads from the clock 463 days ahead: the second of two builds
# must not agree with the first because both were made today. The system's clock is out of reach in a
# sandbox, so code in C, and datetime objects that it makes, still tell the time of the host.
import datetime
import time

SHIFT = 463 * 86400


def ahead(name, none):
    """A function of time that stands for now without its last argument."""
    real = getattr(time, name)

    def shifted(*args):
        if len(args) < none or len(args) == none and args[-1] is None:
            args = args[: none - 1] + (now(),)
            if name in ("strftime", "asctime"):
                args = args[:-1] + (local(args[-1]),)
        return real(*args)

    setattr(time, name, shifted)


real_time, real_ns, local = time.time, time.time_ns, time.localtime


def now():
    return real_time() + SHIFT


time.time = now
time.time_ns = lambda: real_ns() + SHIFT * 10**9
for name, none in (("localtime", 1), ("gmtime", 1), ("ctime", 1), ("asctime", 1), ("strftime", 2)):
    ahead(name, none)


class Either(type):
    """Objects of the classes that stand behind count as of those before."""

    def __instancecheck__(cls, it):
        return isinstance(it, cls.__mro__[1])

    def __subclasscheck__(cls, other):
        return issubclass(other, cls.__mro__[1])


class date(datetime.date, metaclass=Either):
    @classmethod
    def today(cls):
        return cls.fromtimestamp(now())

    def __repr__(self):
        return "datetime." + super().__repr__()


class datetime_(datetime.datetime, metaclass=Either):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(now(), tz)

    @classmethod
    def today(cls):
        return cls.fromtimestamp(now())

    @classmethod
    def utcnow(cls):
        return cls.fromtimestamp(now(), datetime.timezone.utc).replace(tzinfo=None)

    def __repr__(self):
        return "datetime." + super().__repr__()


for name, own in (("date", date), ("datetime", datetime_)):
    own.__name__ = own.__qualname__ = name
    own.__module__ = "datetime"
    setattr(datetime, name, own)
