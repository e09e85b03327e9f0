"""Names of countries, their codes and their adjectives: general knowledge of English, of no catalog. Pure data."""

from __future__ import annotations

__all__ = ["CODES", "COUNTRIES", "PEOPLES"]

_TABLE = """
argentina|AR|argentinian argentine
australia|AU|australian
austria|AT|austrian
belgium|BE|belgian
brazil|BR|brazilian
bulgaria|BG|bulgarian
canada|CA|canadian
chile|CL|chilean
china|CN|chinese
colombia|CO|colombian
croatia|HR|croatian
czechia|CZ|czech
denmark|DK|danish
egypt|EG|egyptian
estonia|EE|estonian
ethiopia|ET|ethiopian
finland|FI|finnish
france|FR|french
germany|DE|german
greece|GR|greek
hungary|HU|hungarian
iceland|IS|icelandic
india|IN|indian
indonesia|ID|indonesian
iran|IR|iranian
iraq|IQ|iraqi
ireland|IE|irish
israel|IL|israeli
italy|IT|italian
japan|JP|japanese
jordan|JO|jordanian
kenya|KE|kenyan
latvia|LV|latvian
lithuania|LT|lithuanian
luxembourg|LU|luxembourgish
malaysia|MY|malaysian
malta|MT|maltese
mexico|MX|mexican
morocco|MA|moroccan
mozambique|MZ|mozambican
netherlands|NL|dutch
new zealand|NZ|
nigeria|NG|nigerian
norway|NO|norwegian
pakistan|PK|pakistani
peru|PE|peruvian
philippines|PH|philippine
poland|PL|polish
portugal|PT|portuguese
romania|RO|romanian
russia|RU|russian
saudi arabia|SA|saudi
serbia|RS|serbian
singapore|SG|singaporean
slovakia|SK|slovak
slovenia|SI|slovenian
south africa|ZA|
south korea|KR|korean
spain|ES|spanish
sweden|SE|swedish
switzerland|CH|swiss
thailand|TH|thai
turkey|TR|turkish
ukraine|UA|ukrainian
united kingdom|GB|british
united states|US|american
vietnam|VN|vietnamese
"""
_ROWS = [line.split("|") for line in _TABLE.strip().splitlines()]

COUNTRIES = frozenset(name for name, _, _ in _ROWS)
"""Names in lower case."""

CODES = {name: code for name, code, _ in _ROWS}
"""The code of two letters (ISO 3166-1) by name."""

PEOPLES = {adjective: name for name, _, adjectives in _ROWS for adjective in adjectives.split()}
"""The country by its adjective: ``spanish`` is Spain."""
