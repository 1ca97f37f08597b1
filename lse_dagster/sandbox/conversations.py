"""Made-up conversations of an airline's support agent, the same for the same seed.

The shape is that of public agent benchmarks: a list of messages with role, content and tool_calls, in which
the customer and the agent take turns and the agent calls tools in between. The text is our own.
"""

import json
import random
from typing import Any, NotRequired, TypedDict


class Message(TypedDict):
    """One message, as chat models exchange them."""

    role: str
    content: str | None
    name: NotRequired[str]
    tool_call_id: NotRequired[str]
    tool_calls: NotRequired[list[dict[str, Any]]]


class Conversation(TypedDict):
    """One conversation from the system prompt to the goodbye."""

    task_id: int
    trial: int
    reward: float
    traj: list[Message]


_POLICY = """# Support policy of Lumen Air

You help passengers with bookings. You look things up before you speak about them, and you ask for a clear
yes before you change anything.

- A booking can be cancelled free of charge within 24 hours, later only in the flexible fare.
- A flight can be changed in every fare but the saver fare; the difference in price is due.
- Two bags are included in business, one in economy, none in the saver fare. Each further bag costs 40 euros.
- A delay of more than three hours on the day of travel is worth a voucher of 75 euros per passenger.
- What the tools cannot do, you cannot do: hand the passenger over to a colleague.
"""
_FIRST = (
    "Aylin",
    "Bruno",
    "Chiara",
    "Dmitri",
    "Elif",
    "Femi",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Käthe",
    "李娜",
)
_LAST = ("Okafor", "Lindqvist", "Moreau", "Tanaka", "Brandt", "Costa", "Novák", "Haddad", "Silva", "Kowalski")
_CITIES = ("Lisbon", "Zürich", "Oslo", "Athens", "Kraków", "Dublin", "Vienna", "Porto", "Málaga", "Riga")
_FARES = ("saver", "economy", "flexible", "business")
_WISHES = (
    ("change", "I have to move my flight to {city} by {days} days. Can you do that for me?"),
    ("cancel", "Something came up and I would like to cancel my trip to {city}."),
    ("bags", "I want to add {days} bags to my booking to {city}, please."),
    ("delay", "My flight to {city} was over four hours late yesterday. What am I owed?"),
    ("seat", "Could I get a window seat on the way to {city}? Two would be better, my son travels with me."),
)
_SMALL_TALK = (
    "Before you do: what would that cost me?",
    "And is my meal choice kept?",
    "Hold on, I need to ask my partner. ... Yes, that is fine.",
    "Are you sure? The website said something else.",
    "Could you also check whether the earlier flight has seats left? 🙏",
)


def demo_conversations(count: int, seed: int = 0) -> list[Conversation]:
    """This many conversations; the first ones are the same whatever the count."""
    return [_conversation(number, random.Random(f"{seed}/{number}")) for number in range(count)]  # noqa: S311


def _conversation(number: int, rng: random.Random) -> Conversation:
    first, last, city = rng.choice(_FIRST), rng.choice(_LAST), rng.choice(_CITIES)
    booking = "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=6))
    action, wish = rng.choice(_WISHES)
    script = _Script(rng)
    script.say("system", _POLICY)
    script.say("user", f"Hello! {wish.format(city=city, days=rng.randint(1, 3))}")
    script.say("assistant", "Gladly. May I have your booking code and the name on the booking?")
    script.say("user", f"It is {booking}, {first} {last}.")
    script.call(
        "get_booking", {"code": booking, "last_name": last}, _booking(rng, booking, first, last, city)
    )
    script.say(
        "assistant", f"Thank you, {first}. I see your flight to {city}. Let me check what the fare allows."
    )
    for question in rng.sample(_SMALL_TALK, k=rng.randint(1, 4)):
        script.say("user", question)
        if rng.random() < 0.6:
            flights = [_flight(rng, city) for _ in range(rng.randint(1, 4))]
            script.call("search_flights", {"to": city, "date": "2025-09-0" + str(rng.randint(1, 9))}, flights)
        script.say(
            "assistant", f"I have checked that for booking {booking}: it is possible, and I can do it now."
        )
    script.say("user", "Yes, please go ahead.")
    failed = rng.random() < 0.15
    result = (
        {"error": "fare rules forbid this"}
        if failed
        else {"status": "done", "reference": rng.getrandbits(70)}
    )
    script.call(f"{action}_booking", {"code": booking, "confirmed": True}, result)
    ending = "I am sorry, your fare does not allow it. I hand you over to a colleague." if failed else "Done!"
    script.say("assistant", f"{ending} Is there anything else?")
    script.say("user", "No, thank you. Goodbye!")
    return Conversation(task_id=number, trial=0, reward=0.0 if failed else 1.0, traj=script.messages)


class _Script:
    """A conversation being written down."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.messages: list[Message] = []

    def say(self, role: str, content: str) -> None:
        self.messages.append(Message(role=role, content=content))

    def call(self, name: str, arguments: dict[str, Any], result: Any) -> None:
        call_id = f"call_{self._rng.getrandbits(64):016x}"
        function = {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}
        call = {"id": call_id, "type": "function", "function": function}
        self.messages.append(Message(role="assistant", content=None, tool_calls=[call]))
        content = json.dumps(result, ensure_ascii=False)
        self.messages.append(Message(role="tool", tool_call_id=call_id, name=name, content=content))


def _booking(rng: random.Random, code: str, first: str, last: str, city: str) -> dict[str, Any]:
    return {
        "code": code,
        "passengers": [{"first": first, "last": last}],
        "fare": rng.choice(_FARES),
        "flights": [_flight(rng, city)],
        "paid": {"amount": f"{rng.randint(60, 900)}.{rng.randint(0, 99):02d}", "currency": "EUR"},
    }


def _flight(rng: random.Random, city: str) -> dict[str, Any]:
    return {
        "number": f"LU{rng.randint(100, 999)}",
        "to": city,
        "departs": f"2025-09-0{rng.randint(1, 9)}T{rng.randint(6, 21):02d}:{rng.choice((0, 15, 40)):02d}:00",
        "seats_left": rng.randint(0, 40),
        "price": round(rng.uniform(39, 420), 2),
    }
