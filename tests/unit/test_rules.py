"""The rule net: each rule against its own examples, the phrases and look-alikes of the domain facts, hostile text."""

import hashlib
import time
from pathlib import Path

import pytest

from classifiers.rules import AXES, HEADS, Rule, RuleNet, Softener, _Text, sentences

FILE = Path(__file__).parents[2] / "classifiers" / "rules.toml"
NET = RuleNet.load(FILE)

Bands = dict[str, str]


def bands(text: str) -> Bands:
    """For each head with a hit: "urgent", or "possible" when every hit of the head is softened."""
    found: Bands = {}
    for hit in NET.hits(text):
        if not hit.softened_by:
            found[hit.head] = "urgent"
        else:
            found.setdefault(hit.head, "possible")
    return found


# The file


@pytest.mark.parametrize("rule", NET.rules, ids=lambda rule: rule.id)
def test_rule_passes_its_own_examples(rule: Rule) -> None:
    for text in rule.hit:
        assert rule.id in {hit.rule_id for hit in NET.hits(text)}, text
    for text in rule.miss:
        assert rule.id not in {hit.rule_id for hit in NET.hits(text)}, text


@pytest.mark.parametrize("rule", NET.rules, ids=lambda rule: rule.id)
def test_at_least_two_examples_hit_unsoftened(rule: Rule) -> None:
    clear = [text for text in rule.hit if any(h.rule_id == rule.id and not h.softened_by for h in NET.hits(text))]
    assert len(clear) >= 2


@pytest.mark.parametrize("rule", NET.rules, ids=lambda rule: rule.id)
def test_look_alikes_do_not_hit_another_rule_of_the_head(rule: Rule) -> None:
    for text in rule.miss:
        assert bands(text).get(rule.head) != "urgent", text


@pytest.mark.parametrize("softener", NET.softeners, ids=lambda softener: softener.id)
def test_softener_passes_its_own_examples(softener: Softener) -> None:
    assert all(softener.found_in(text) for text in softener.hit)
    assert not any(softener.found_in(text) for text in softener.miss)


def test_ids_follow_the_head() -> None:
    letters = {"palliative": "P", "transfer": "T", "danger": "D"}
    assert all(rule.id.startswith(letters[rule.head]) for rule in NET.rules)
    assert all(softener.id.startswith("S") for softener in NET.softeners)


def test_size_and_cover() -> None:
    assert 45 <= len(NET.rules) <= 70
    assert {rule.head for rule in NET.rules} == set(HEADS)
    assert {softener.axis for softener in NET.softeners} == set(AXES)


def test_danger_is_softened_by_past_and_hypothetical_only() -> None:
    axes = {softener.axis for softener in NET.softeners if "danger" in softener.heads}
    assert axes == {"past", "hypothetical"}


def test_every_pattern_has_a_prefilter() -> None:
    finders = [rule.finder for rule in NET.rules]
    finders += [softener.finder for softener in NET.softeners]
    finders += [rule.needs_finder for rule in NET.rules if rule.needs_finder is not None]
    assert all(finder.prefilter is not None for finder in finders)


def test_prefilter_loses_no_match() -> None:
    """With and without the prefilter the same texts match: all examples of all rules against all patterns."""
    texts = [text for rule in NET.rules for text in (*rule.hit, *rule.miss)]
    texts += [text for softener in NET.softeners for text in (*softener.hit, *softener.miss)]
    texts += [text.upper() for text in texts]
    joined = " \n".join(texts)
    ready = _Text(joined)
    finders = [rule.finder for rule in NET.rules] + [softener.finder for softener in NET.softeners]
    finders += [rule.needs_finder for rule in NET.rules if rule.needs_finder is not None]
    for finder in finders:
        quick = [match.span() for match in finder.finditer(ready, 0, len(joined))]
        plain = [match.span() for match in finder.regex.finditer(joined)]
        assert quick == plain, finder.regex.pattern[:80]


def test_sha256_is_of_the_bytes() -> None:
    assert NET.sha256 == hashlib.sha256(FILE.read_bytes()).hexdigest()


# Section 6 of the domain facts, phrase by phrase

PALLIATIVE = {
    "no cure": [
        "Mijn man is uitbehandeld.",
        "De artsen hebben haar opgegeven.",
        "Er is niets meer aan te doen zegt de arts.",
        "Er is geen behandeling meer mogelijk.",
        "De chemo is gestopt.",
        "Mijn moeder is ziek en ze wordt niet meer beter.",
        "Mijn broer is ongeneeslijk ziek.",
        "De dokters kunnen niets meer doen.",
    ],
    "time left": [
        "Dit zijn haar laatste weken.",
        "Vader is in de laatste fase.",
        "Ze heeft hooguit nog een maand.",
        "Hij heeft niet lang meer te leven.",
        "Het einde nadert.",
        "Hij haalt de kerst niet.",
        "De prognose is dagen tot weken.",
        "Levensverwachting korter dan 3 maanden",
        "LE < 3 mnd",
    ],
    "wish or place": [
        "Zij wil thuis sterven.",
        "Wij willen dat hij thuis kan overlijden.",
        "Is er een hospice in de buurt?",
        "Kan zij naar een bijna-thuis-huis?",
        "Hij komt naar huis om te sterven.",
        "Opa wil niet in het ziekenhuis doodgaan.",
        "Wij zoeken een high care hospice.",
        "Kinderhospice voor ons dochtertje",
    ],
    "care form": [
        "Er is alleen nog comfortzorg.",
        "comfortbeleid ingezet",
        "abstinerend beleid",
        "Wie vult de morfinepomp?",
        "Er is een pijnpomp aangelegd.",
        "Hij heeft kanker in de laatste fase en een pleister fentanyl.",
        "Palliatieve sedatie start morgen.",
        "Is een slaapmiddel aan het einde vergoed?",
        "Wij waken al drie nachten, zij is stervende.",
        "Wie regelt waakzorg?",
        "Nachtzorg voor mijn vrouw met uitgezaaide kanker",
        "alleen symptoombestrijding",
        "PTZ aanvragen",
        "Moet er een terminaalverklaring komen?",
    ],
    "professional": [
        "ACP gesprek gevoerd, mw. gaat achteruit en woont thuis",
        "surprise question: nee",
        "Zoeken ELV-palliatief",
        "PTZ-indicatie nodig",
        "besproken in PaTz-groep",
        "TPZ-team ingeschakeld",
        "Er is een niet-reanimeren verklaring, cliënt is bedlegerig.",
        "Euthanasietraject loopt, hij is thuis en heeft pijn.",
    ],
    "illness with decline": [
        "De kanker is uitgezaaid en het gaat snel achteruit.",
        "Metastasen in de lever, ligt nu op bed.",
        "ALS laatste fase",
        "eindstadium COPD",
        "hartfalen, eindstadium",
        "Hij stopt met dialyse.",
    ],
    "children": [
        "Onze baby zal snel overlijden.",
        "Ons zoontje heeft een levensduurverkortende ziekte.",
        "Onze dochter met een sonde is in de laatste fase.",
        "Het kinder comfort team vraagt nachtzorg.",
    ],
    "misspelled": ["paliatieve zorg", "pallatieve thuiszorg", "zij is terminal en woont thuis", "hospis gezocht"],
    "wrapped": ["Er is volgens de arts niets meer\naan te doen.", "Zij wil graag thuis \nsterven."],
    "capitals": ["MIJN MOEDER LIGT OP STERVEN", "HOSPİCE"],
    "other languages": [
        "My wife is terminally ill.",
        "Mein Vater liegt im Sterben.",
        "Babam ölmek üzere.",
        "Mój tata umiera.",
        "أمي تحتضر",
    ],
}

TRANSFER = {
    "still in": [
        "Mijn moeder ligt nog in het ziekenhuis.",
        "Dhr. opgenomen op afdeling neurologie, kan nog niet weg",
        "verkeerd bed problematiek bij mw.",
        "Hij houdt een bed bezet.",
        "Zij is medisch uitbehandeld maar kan niet weg.",
        "WLZ-wachtend in ziekenhuis",
    ],
    "leaving": [
        "Zij mag morgen naar huis vanuit het ziekenhuis.",
        "Hij moet vrijdag weg uit de kliniek.",
        "Zij wordt dinsdag ontslagen uit het ziekenhuis.",
        "Ontslag gepland, patiënt heeft geen thuiszorg.",
        "Ontslagdatum 3 mei, revalidatie vol.",
        "Ze sturen haar naar huis vanaf de afdeling.",
        "Vanmiddag naar huis gestuurd door het ziekenhuis.",
    ],
    "no place or care": [
        "Er is geen plek en hij ligt in het ziekenhuis.",
        "Geen ELV-bed te vinden.",
        "Zij kan nergens terecht na ontslag uit het ziekenhuis.",
        "De thuiszorg heeft geen ruimte en morgen is het ontslag.",
        "Geen thuiszorg gevonden, hij mag naar huis.",
        "Thuiszorg heeft een wachtlijst, het ziekenhuis ontslaat haar.",
        "Afgewezen door verpleeghuis, zij is nog opgenomen in het zkh.",
        "De huisarts belt zich suf voor een ELV.",
    ],
    "words": [
        "Eerstelijnsverblijf nodig, vandaag nog.",
        "ELV met spoed",
        "Kortdurend verblijf: vandaag nergens plek.",
        "Tijdelijke opname per direct nodig.",
        "GRZ: geen plek.",
        "Geen revalidatieplek voor vader na zijn CVA.",
        "Crisisbed nodig vanavond",
        "Crisisopname, nergens plek",
        "Herstelzorg na ontslag, morgen",
        "Zorghotel zit vol, overal vol, zij ligt nog in bed",
        "TRF verzonden, ontslag is morgen",
        "De transferverpleegkundige vindt geen plek.",
        "Via het transferpunt: patiënt kan niet naar huis.",
        "POINT-overdracht gedaan, ontslag is maandag",
        "Geen nazorg na ontslag uit het ziekenhuis",
        "De liaison zegt dat er geen plek is.",
        "Door de SEH naar huis gestuurd",
        "Overplaatsing van ziekenhuis naar ELV",
    ],
    "reverse": [
        "Zij komt terug van ELV naar huis en er is geen zorg.",
        "ELV loopt af",
        "Hij moet uit de revalidatie, wij weten niet waarheen.",
        "Indicatie ELV eindigt maandag.",
        "Van thuis naar ELV vannacht",
    ],
    "home in danger": [
        "Zij kan niet alleen zijn en er is geen ELV.",
        "Hij valt steeds en de huisarts zoekt een crisisbed.",
        "De mantelzorger ligt zelf in het ziekenhuis.",
        "Mantelzorger weggevallen, tijdelijke opname nodig.",
        "Zij dwaalt, er moet met spoed een plek komen.",
        "Het gaat niet meer thuis, crisisopname?",
    ],
    "child": ["Ons kind mag uit het ziekenhuis maar er is geen kinderthuiszorg.", "Baby ligt nog op de NICU."],
    "other languages": [
        "My mother is still in hospital, no bed anywhere.",
        "Mein Mann liegt noch im Krankenhaus.",
        "Annem hastanede, yarın taburcu.",
        "Mama w szpitalu, jutro wypis do domu.",
        "أبي في المستشفى والخروج غدا",
    ],
}

DANGER = {
    "suicide": [
        "Ik denk aan zelfmoord.",
        "Mijn zoon is suicidaal.",
        "cliente is suïcidaal",
        "Zij wil niet meer leven.",
        "Ik wil dood.",
        "Dan maak ik er een einde aan.",
        "Hij heeft een afscheidsbrief geschreven.",
        "Ik ben bang dat ze zichzelf iets aandoet.",
    ],
    "violence": [
        "Mijn man slaat mij.",
        "Mijn ex bedreigt ons.",
        "Hij staat hier met een mes.",
        "Straks doe ik haar iets aan.",
        "Er is huiselijk geweld.",
        "Onze zoon schopt zijn zusje elke dag.",
    ],
    "child or dependent person": [
        "Dit is kindermishandeling.",
        "Zij wordt seksueel misbruikt door de buurman.",
        "De kinderen worden verwaarloosd.",
        "Mijn broer wordt opgesloten op zijn kamer.",
        "Oma ligt uren in haar eigen urine.",
        "De kinderen zijn daar niet veilig.",
    ],
    "danger to life": [
        "Hij krijgt geen lucht.",
        "Zij is bewusteloos geraakt.",
        "De zuurstof is bijna op en er komt niemand.",
        "Zij heeft al drie dagen niets gedronken.",
        "Mijn moeder laat het gas aan staan.",
    ],
    "not softened by a denial or another person": [
        "Het heeft geen haast maar mijn zus wil niet meer leven.",
        "Mijn buurvrouw wordt niet meer geslagen zegt ze, maar ze wordt geslagen.",
    ],
    "other languages": [
        "He wants to kill himself.",
        "Er schlägt mich und die Kinder.",
        "Kocam beni dövüyor.",
        "Mąż bije dzieci.",
        "زوجي يهددني",
    ],
}


def rows(groups: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(group, text) for group, texts in groups.items() for text in texts]


@pytest.mark.parametrize(("group", "text"), rows(PALLIATIVE))
def test_palliative_phrase_is_urgent(group: str, text: str) -> None:
    assert bands(text).get("palliative") == "urgent", group


@pytest.mark.parametrize(("group", "text"), rows(TRANSFER))
def test_transfer_phrase_is_urgent(group: str, text: str) -> None:
    assert bands(text).get("transfer") == "urgent", group


@pytest.mark.parametrize(("group", "text"), rows(DANGER))
def test_danger_phrase_is_urgent(group: str, text: str) -> None:
    assert bands(text).get("danger") == "urgent", group


LOOK_ALIKES = {
    "palliative": [
        "Mijn man is vorig jaar in een hospice overleden, vraag over eigen bijdrage.",
        "Mijn vrouw is overleden. Zij lag in een hospice. Nu krijg ik een rekening van het CAK.",
        "Nabestaande: factuur CAK na overlijden.",
        "Hoe kan ik het pgb afsluiten na overlijden van mijn vader?",
        "Vrijwilliger bij hospice, wie betaalt vervoer?",
        "Wij openen een hospice.",
        "Training palliatieve zorg voor wijkverpleegkundigen",
        "Ik schrijf een scriptie. Het onderwerp is palliatieve zorg.",
        "Ik doe onderzoek naar palliatieve zorg.",
        "Ik ben doodop van al het regelen.",
        "Het is dodelijk vermoeiend.",
        "Ik ben ten einde raad.",
        "Levenseinde van de wasmachine.",
        "Het levenseinde van de rolstoel is bereikt.",
        "Dit is de laatste week van mijn pgb.",
        "Ik ben uitbehandeld bij de fysio.",
        "Bij de ggz is zij uitbehandeld.",
        "Chronisch ziek, levenslang zorg nodig.",
        "De terminal in de serverruimte is stuk.",
        "Wij landen op terminal 3.",
        "De afspraak is in gebouw Hospitium.",
        "De laatste weken slaapt hij slecht.",
        "Wat is het verschil tussen terminale zorg en gewone thuiszorg?",
    ],
    "transfer": [
        "Vorig jaar ELV gehad, moet ik eigen risico betalen?",
        "Mijn baas gaf mij ontslag.",
        "Ontslag zorgverlener pgb",
        "Mijn zorgverlener heeft ontslag genomen en werkte ook bij de thuiszorg.",
        "Geen plek op school.",
        "Er is geen plek bij de dagbesteding.",
        "Geen plek in de parkeergarage van het ziekenhuis.",
        "Geplande heupoperatie in maart, wat kan ik vooraf regelen?",
        "Overdracht van dossier naar een nieuw zorgkantoor bij verhuizing.",
        "Wat is het verschil tussen ELV en Wlz?",
        "Hulp bij transfers met de tillift, ADL.",
        "Dat is een goed point.",
        "Kortdurend verblijf via de Wmo, volgende zomer, voor mijn zoon.",
        "Met spoed: het pgb is niet uitbetaald.",
        "Dringend! De school belt niet terug.",
        "Mijn moeder verhuist naar een ander verpleeghuis, overplaatsing dus.",
    ],
    "danger": [
        "Ik ben doodmoe.",
        "Ik word er gek van.",
        "Het is om dood te vallen zo duur.",
        "Dit slaat nergens op.",
        "Zij is in haar jeugd mishandeld en zoekt begeleiding.",
        "Drie jaar geleden was zij suïcidaal.",
        "Wij geven een training over suïcide.",
        "Wat is het beleid? Ik ben student en schrijf een scriptie over huiselijk geweld.",
        "Zij maken misbruik van het pgb.",
        "Wie zorgt voor mijn zoon als ik er niet meer ben?",
        "Mijn zoon kan niet alleen thuis gelaten worden.",
        "Mijn moeder kan niet veilig douchen.",
    ],
}


@pytest.mark.parametrize(("head", "text"), rows(LOOK_ALIKES))
def test_look_alike_is_not_urgent(head: str, text: str) -> None:
    assert bands(text).get(head) != "urgent"


def test_softener_never_hides_a_hit() -> None:
    text = "Stel dat mijn vader naar een hospice moet, wat dan?"
    hits = NET.hits(text)
    assert hits
    assert all(hit.softened_by for hit in hits)


def test_softener_with_sentence_scope_leaves_other_sentences_alone() -> None:
    text = "Mijn vader is vorig jaar in het hospice overleden. Nu ligt mijn moeder op sterven."
    clear = [text[hit.start : hit.end] for hit in NET.hits(text) if not hit.softened_by]
    assert clear == ["op sterven"] or "op sterven" in " ".join(clear)


# Spans, sentences, limits


def test_spans_are_offsets_in_the_given_text() -> None:
    text = "İİİ Straße: Mijn vader zoekt een HOSPICE."
    (hit,) = NET.hits(text)
    assert (hit.rule_id, text[hit.start : hit.end]) == ("P17", "HOSPICE")


def test_span_runs_to_the_end_of_the_word() -> None:
    text = "Is er een palliatieve unit?"
    (hit,) = NET.hits(text)
    assert text[hit.start : hit.end] == "palliatieve"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Een zin. Nog een zin.", 2),
        ("Dhr. Jansen en mw. Bakker wonen samen.", 1),
        ("Vraag hospice\nMijn moeder is ziek. Kan dat?", 3),
        ("Dit is een lange regel die door het mailprogramma is afgebroken op een\nvreemde plek.", 1),
        ("", 0),
    ],
)
def test_sentences(text: str, count: int) -> None:
    spans = sentences(text)
    assert len(spans) == count
    assert "".join(text[low:high] for low, high in spans) == text


def test_long_sentence_is_cut() -> None:
    assert max(high - low for low, high in sentences("woord " * 1000)) <= 1000


def test_nothing_in_an_empty_text() -> None:
    assert NET.hits("") == ()


def test_text_is_cut_at_100_000_characters() -> None:
    assert NET.hits("x " * 50_000 + "hospice") == ()
    assert NET.hits("x " * 49_000 + "hospice") != ()


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        " ",
        "\n",
        "ligt nog in het ",
        "niet meer ",
        "de arts kan niet meer ",
        "geen plek ",
        "hospice ",
        "hospice.\n",
        "zij wordt morgen ",
        "mijn moeder wil niet ",
        "thuis ontslag ",
        "slaat ",
        "overleden ",
        "laatste ",
    ],
)
def test_hostile_text_is_quick(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    begin = time.perf_counter()
    NET.hits(text)
    assert time.perf_counter() - begin < 2


def test_usual_mail_is_quick() -> None:
    text = (
        "Beste mensen van het loket,\n\nMijn zoon van negen heeft autisme en gaat naar een gewone school. De gemeente\n"
        "zegt dat begeleiding onder de Wlz valt, het zorgkantoor zegt dat de Jeugdwet geldt. Wij worden van het\n"
        "kastje naar de muur gestuurd en weten niet meer bij wie wij moeten zijn. Het CIZ wees de aanvraag af.\n"
        "Moeten wij bezwaar maken?\n"
    ) * 2
    begin = time.perf_counter()
    for _ in range(100):
        NET.hits(text)
    assert (time.perf_counter() - begin) / 100 < 0.005  # about 0.3 ms on an idle machine


# Broken files

GOOD = """version = 1
[[rule]]
id = "P01"
head = "palliative"
pattern = 'hospice'
hit = ["een hospice", "hospice"]
miss = ["huis", "tuin"]
why = "test"
"""


def load(tmp_path: Path, text: str) -> RuleNet:
    path = tmp_path / "rules.toml"
    path.write_text(text, encoding="utf-8")
    return RuleNet.load(path)


def test_good_file_loads(tmp_path: Path) -> None:
    assert [rule.id for rule in load(tmp_path, GOOD).rules] == ["P01"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("'hospice'", "'hospice('", "P01.*not a valid pattern"),
        ("'hospice'", "'hospice.*'", "P01.*upper bound"),
        ("'hospice'", "'(?:hospice)?'", "P01.*empty text"),
        ('why = "test"\n', "", "P01.*why"),
        ('head = "palliative"', 'head = "urgent"', "P01.*head"),
        ('miss = ["huis", "tuin"]', 'miss = ["huis"]', "P01.*miss"),
        ('why = "test"', 'why = "test"\nwindow = 40', "P01.*window without needs"),
        ('why = "test"', 'why = "test"\nneeds = "thuis"\nwindow = 0', "P01.*window"),
        ('why = "test"', 'why = "test"\nneed = "thuis"', "P01.*unknown field need"),
        ('id = "P01"', "", "rule number 1.*id"),
        ("version = 1", "version = 2", "version"),
        ("version = 1\n", "version = 1\n" + GOOD.split("\n", 1)[1], "P01.*twice"),
    ],
)
def test_broken_file_is_refused_and_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(ValueError, match=words):
        load(tmp_path, GOOD.replace(old, new, 1))


def test_needs_and_window(tmp_path: Path) -> None:
    net = load(tmp_path, GOOD.replace('why = "test"', "why = 'test'\nneeds = 'thuis'\nwindow = 20"))
    assert net.hits("van thuis naar het hospice")
    assert not net.hits("van thuis gaan wij, na een lange reis, naar het hospice")
    assert not net.hits("het hospice")
