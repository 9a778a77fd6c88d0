"""A trip of three bookings: if one of them fails for good, those before it are undone.

perdure dev examples/saga.py
curl localhost:8080/trips/book --json '{"traveller": "ann", "to": "Rome", "budget": 500}'
curl localhost:8080/trips/book --json '{"traveller": "bob", "to": "Rome", "budget": 10}'
"""

from dataclasses import dataclass

import perdure

trips = perdure.Service("trips")


@dataclass
class Trip:
    traveller: str
    to: str
    budget: int


@dataclass
class Booked:
    flight: str
    hotel: str
    payment: str


@trips.handler
async def book(ctx: perdure.Context, trip: Trip) -> Booked:
    # An id that is the same in every attempt, so that a booking which is tried again, because its
    # answer was lost, is the same booking to the airline.
    order = str(ctx.uuid())
    async with ctx.saga() as saga:
        # The undo comes first: it must also run if the step has booked and nobody heard of it.
        saga.undo(cancel_flight, order)
        flight = await ctx.step(book_flight, order, trip.to)

        saga.undo(cancel_hotel, order)
        hotel = await ctx.step(book_hotel, order, trip.to)

        payment = await ctx.step(pay, order, trip.budget)
    return Booked(flight, hotel, payment)


async def book_flight(order: str, to: str) -> str:
    print(f"{order}: flight to {to}")
    return f"flight to {to}"


async def cancel_flight(order: str) -> None:
    print(f"{order}: no flight")


async def book_hotel(order: str, to: str) -> str:
    print(f"{order}: hotel in {to}")
    return f"hotel in {to}"


async def cancel_hotel(order: str) -> None:
    print(f"{order}: no hotel")


async def pay(order: str, budget: int) -> str:
    # Any other exception is tried again; a Terminal is an answer, and goes to the caller.
    if budget < 300:
        raise perdure.Terminal(f"the trip costs 300, the budget is {budget}", 402)
    return f"300 for {order}"


app = perdure.app(trips)
