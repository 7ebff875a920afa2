"""Compositions: how a source's images become canvases, from random bits of their own.

A composition is one file with one class, and one name in this list.
"""

from pipeline.compositions.collage import Collage
from pipeline.compositions.letterbox import Letterbox

AnyComposition = Collage | Letterbox
