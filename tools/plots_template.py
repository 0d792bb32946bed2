"""Let `dvc plots show` and `dvc plots diff` work without network: `python -m tools.plots_template`.

DVC's own page loads Vega from the web. This writes one that holds it, .dvc/plots.html, and sets it
in .dvc/config.local; neither belongs into Git.
"""

import subprocess
import sys
from pathlib import Path

import vl_convert

from stages.common.errors import run
from stages.common.files import write_text

TEMPLATE = Path(".dvc/plots.html")
# What the templates of DVC 3 are written in.
VEGA_LITE = "5.21"
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Plots</title>
<link rel="icon" href="data:,">{refresh_tag}
<style>
body { font: 16px sans-serif; margin: 2em }
table { border-spacing: 15px }
img { max-width: 44vw; height: auto }
</style>
<script>VEGA</script></head>
<body>
{plot_divs}
</body></html>
"""


def main() -> None:
    """Write the page and tell DVC of it."""
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGA_LITE)
    # What ends the script element must not stand within it.
    write_text(TEMPLATE, PAGE.replace("VEGA", bundle.replace("</script", "<\\/script")))
    subprocess.run(
        [sys.executable, "-m", "dvc", "config", "--local", "plots.html_template", TEMPLATE.name],
        check=True,
    )


if __name__ == "__main__":
    run(main)
