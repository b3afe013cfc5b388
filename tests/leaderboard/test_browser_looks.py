"""How every tab looks, wide and light, narrow and dark: pictures in test-output/, and contrasts."""

import pytest

from leaderboard.tabs import TABS
from tests.leaderboard.browser import PICTURES, chromium, visiting
from tests.leaderboard.test_browser import address

__all__ = ["address", "chromium"]  # fixtures
pytestmark = pytest.mark.slow

# A number above the knob of a slider stands beside it, not on it
READABLE = """() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => { const [r, g, b] = parts(colour).map(value => {
    const x = value / 255; return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const under = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e)
    .backgroundColor; if (!(parts(c)[3] < 1)) return c; } return 'rgb(255, 255, 255)'; };
  return [...document.querySelectorAll('h3, p, label, summary')].filter(e => e.checkVisibility() &&
    e.textContent.trim() && !e.closest('[disabled], [data-testid=stSliderThumbValue]')).map(e => {
      const two = [light(getComputedStyle(e).color), light(under(e))].sort((a, b) => b - a);
      return [(two[0] + 0.05) / (two[1] + 0.05), e.textContent.slice(0, 60)]; })
    .filter(([contrast]) => contrast < 4.5);
}"""


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
@pytest.mark.parametrize("tab", TABS)
def test_text_stands_out_from_what_is_behind_it(chromium, address, tab, width, scheme):
    look = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    with visiting(chromium, address, **look) as visit:
        visit.open(f"?tab={tab}")
        visit.page.wait_for_timeout(1000)  # charts and tables are drawn after the script
        height = visit.page.evaluate("document.querySelector('.stMain').scrollHeight")
        visit.page.set_viewport_size({"width": width, "height": min(height, 4000)})
        visit.page.wait_for_timeout(500)
        picture = PICTURES / f"{tab.lower()}-{width}-{scheme}.png"
        visit.page.screenshot(path=picture)
        assert visit.page.evaluate(READABLE) == []
        background = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
        assert (visit.page.evaluate(background) == "rgb(255, 255, 255)") == (scheme == "light")
