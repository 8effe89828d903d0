"""The reports in a real browser: no error, no request, tables that sort and filter, paper, phones, hostile text.

Skipped where there is no Chromium (`apt-get install chromium`, or CHROMIUM=its path). With AXE_CORE=the path of
axe.min.js (from the package axe-core) its accessibility rules are checked too. With SCREENSHOTS=a folder each page
is kept there at phone and desktop width.
"""

import os
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium, find
from tests.browser.pages import CASES, write_comparison, write_page

pytestmark = pytest.mark.skipif(
    find() is None, reason="no Chromium: apt-get install chromium, or set CHROMIUM to its path"
)
PUBLISHED = {
    name: Path(__file__).parents[2] / "docs" / name / "report" / "report.html"
    for name in ("example", "h100-attention", "h100-burst", "h100-mla")
}
PAGES = [*CASES, "comparison", *PUBLISHED]
PHONE = 390


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Chromium(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    made: dict[str, Path] = {}

    def page(name):
        if name in PUBLISHED:
            return PUBLISHED[name]
        if name not in made:
            made[name] = (
                write_comparison(folder) if name == "comparison" else write_page(name, folder)
            )
        return made[name]

    return page


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_alone_and_fits_a_phone(browser, pages, name):
    browser.open(pages(name), width=PHONE, height=800)
    assert browser.complaints() == []
    assert browser.requested() == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= PHONE
    assert browser.evaluate("document.querySelectorAll('h2').length") >= 7
    broken = "[...document.querySelectorAll('a')].filter((a) => !document.querySelector(a.hash))"
    assert browser.evaluate(f"{broken}.length") == 0
    unseen = "[...document.images].filter((i) => !i.naturalWidth || !i.alt)"
    assert browser.evaluate(f"{unseen}.length") == 0
    # Text from logs stayed text.
    assert "owned" not in browser.evaluate("document.title")
    assert browser.evaluate("document.querySelectorAll('img[src=x], td script').length") == 0
    shots = os.environ.get("SCREENSHOTS")
    if shots:
        browser.screenshot(Path(shots) / f"{name}-{PHONE}.png", whole=True)
        browser.open(pages(name))
        browser.screenshot(Path(shots) / f"{name}-1280.png", whole=True)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["failed-gates", "one-block", "comparison", *PUBLISHED])
def test_axe_finds_no_serious_violation(browser, pages, name, dark):
    source = os.environ.get("AXE_CORE")
    if not source:
        pytest.skip("set AXE_CORE to axe.min.js of the package axe-core")
    browser.open(pages(name), dark=dark)
    browser.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    browser.evaluate(Path(source).read_text(encoding="utf-8") + ";0")
    found = browser.evaluate(
        "axe.run().then((r) => r.violations.map((v) => [v.impact, v.id, v.nodes[0].html]))"
    )
    assert [one for one in found if one[0] in ("serious", "critical")] == []


CELLS = "[...document.querySelectorAll('#table-{table} tbody tr')]"
SHOWN = (
    CELLS + ".filter((r) => r.offsetParent).map((r) => r.cells[{column}].firstChild.textContent)"
)


def column(browser, table, number):
    return browser.evaluate(SHOWN.replace("{table}", table).replace("{column}", str(number)))


def test_a_table_sorts_by_mouse_and_by_keyboard(browser, pages):
    browser.open(pages("one-block"))
    own = column(browser, "levels-gqa-small", 0)
    assert own == ["1", "4", "16"]
    head = "document.querySelectorAll('#table-levels-gqa-small thead th')[0]"
    browser.evaluate(f"{head}.querySelector('button').focus()")
    browser.key("Enter", 13, "\r")
    assert browser.evaluate(f"{head}.getAttribute('aria-sort')") == "ascending"
    browser.key("Enter", 13, "\r")
    assert browser.evaluate(f"{head}.getAttribute('aria-sort')") == "descending"
    assert column(browser, "levels-gqa-small", 0) == ["16", "4", "1"]
    browser.evaluate(f"{head}.querySelector('button').click()")
    assert browser.evaluate(f"{head}.getAttribute('aria-sort')") is None
    assert column(browser, "levels-gqa-small", 0) == own


def test_numbers_sort_as_numbers_and_what_is_missing_comes_together(browser, pages):
    browser.open(pages("failed-gates"))
    browser.evaluate("document.querySelectorAll('#table-variability th button')[2].click()")
    levels = column(browser, "variability", 2)
    assert levels == sorted(levels, key=int)
    assert set(levels) == {"1", "4", "16"}


def test_a_long_table_is_filtered_by_keyboard_and_says_so(browser, pages):
    browser.open(pages("failed-gates"))
    bar = "document.querySelector('#table-gates-failed').closest('.table').querySelector('.filter')"
    rows = len(column(browser, "gates-failed", 0))
    assert rows > 8
    status = f"{bar}.querySelector('[role=status]').textContent"
    assert browser.evaluate(status) == f"{rows} rows"
    assert browser.evaluate(f"{bar}.getAttribute('aria-label')") == (
        "Filter the table: Failed gates"
    )
    browser.evaluate(f"{bar}.querySelector('input').focus()")
    browser.type("block-1 HELD")
    shown = column(browser, "gates-failed", 0)
    assert 0 < len(shown) < rows
    assert all(text.endswith("block-1") for text in shown)
    assert browser.evaluate(status) == (f"{len(shown)} of {rows} rows: rows with “block-1 held”")
    # On to the next control by Tab: the list of gates.
    browser.key("Tab", 9)
    assert browser.evaluate("document.activeElement.tagName") == "SELECT"
    browser.evaluate(
        f"{{ const list = {bar}.querySelector('option[value=client]').parentElement;"
        "list.value = 'client'; list.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    assert column(browser, "gates-failed", 0) == []
    assert "Gate: client" in browser.evaluate(status)
    browser.evaluate(f"{bar}.querySelector('button').click()")
    assert len(column(browser, "gates-failed", 0)) == rows
    assert browser.evaluate(f"{bar}.querySelector('button').hidden")


def test_short_tables_have_no_filter(browser, pages):
    browser.open(pages("one-level"))
    assert browser.evaluate(
        "[...document.querySelectorAll('.filter')].every("
        "(bar) => bar.closest('.table').querySelectorAll('tbody tr').length > 8)"
    )
    assert browser.evaluate(
        "!document.querySelector('#table-levels-gqa-small').closest('.table').querySelector('.filter')"
    )


def test_paper_has_everything_and_says_what_was_filtered_out(browser, pages):
    browser.open(pages("failed-gates"))
    bar = "document.querySelector('#table-gates-failed').closest('.table').querySelector('.filter')"
    browser.evaluate(f"{bar}.querySelector('input').focus()")
    browser.type("block-1")
    assert browser.pdf().startswith(b"%PDF")
    assert browser.evaluate("[...document.querySelectorAll('details')].every((d) => d.open)")
    browser.send("Emulation.setEmulatedMedia", media="print")
    assert browser.evaluate(f"{bar}.querySelector('label').offsetParent") is None
    assert browser.evaluate(f"{bar}.querySelector('[role=status]').offsetHeight") > 0


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_report_of_a_real_study_sorts_and_prints(browser, pages, name):
    browser.open(pages(name))
    heads = "document.querySelectorAll('table thead button')"
    assert browser.evaluate(f"{heads}.length") > 20
    browser.evaluate(f"[...{heads}].forEach((button) => button.click())")
    assert browser.evaluate(
        "[...document.querySelectorAll('table')].every((table) => !table.querySelector('thead button')"
        " || table.querySelector('th[aria-sort=ascending]'))"
    )
    assert browser.pdf().startswith(b"%PDF")
    assert browser.complaints() == []


def test_200_levels_scroll_in_their_own_frame_under_their_heads(browser, pages):
    browser.open(pages("200-levels"))
    assert len(column(browser, "levels-gqa-small", 0)) == 200
    frame = "document.querySelector('#table-levels-gqa-small').parentElement"
    assert browser.evaluate(f"{frame}.clientHeight") <= 900
    browser.evaluate(f"{frame}.scrollIntoView(); {frame}.scrollTop = 2000")
    top = "document.querySelector('#table-levels-gqa-small thead th').getBoundingClientRect().top"
    assert browser.evaluate(f"{top} - {frame}.getBoundingClientRect().top") < 5


def test_a_link_opens_a_folded_part(browser, pages):
    browser.open(pages("one-block"))
    assert not browser.evaluate("document.querySelector('#sessions details').open")
    browser.evaluate("document.querySelector('nav a[href=\"#sessions\"]').click()")
    browser.wait_for("document.querySelector('#sessions details').open")


def test_dark_and_light_follow_the_reader(browser, pages):
    seen = []
    for dark in (False, True):
        browser.open(pages("one-block"), dark=dark)
        seen.append(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert seen == ["rgb(255, 255, 255)", "rgb(20, 23, 31)"]
