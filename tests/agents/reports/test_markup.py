from wmil_agents.reports.markup import Markup, element, joined, written

EVIL = "<script>alert('x')</script> & \"y\""


def test_text_is_escaped_wherever_it_stands() -> None:
    made = element("p", EVIL, element("b", EVIL), [EVIL, None], title=EVIL)
    assert "<script" not in made
    assert made.count("&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;y&quot;") == 4


def test_markup_is_not_escaped_twice() -> None:
    assert element("p", element("b", "a < b")) == "<p><b>a &lt; b</b></p>"
    assert isinstance(joined(["a", Markup("<br>")]), Markup)


def test_names_of_attributes_are_those_of_html() -> None:
    assert element("line", class_="c0", stroke_width=2.0, x1=None) == '<line class="c0" stroke-width="2"></line>'
    assert element("meta", name="a", charset="utf-8") == '<meta name="a" charset="utf-8">'


def test_letters_that_are_not_seen_and_turn_the_text_around_are_replaced() -> None:
    assert element("p", "abc\u202edef\x00\x1b é") == "<p>abc\ufffddef\ufffd\ufffd é</p>"


def test_coordinates_are_short() -> None:
    assert [written(number) for number in (1.0, 2.26, 100.04, -0.5)] == ["1", "2.3", "100", "-0.5"]
