import { BOUND_OFFSET, INTERRUPTED, NO_ROOM } from '../codes.js';

/**
 * The module `image` (vendor: modules/py_image.c), as far as a script needs it to take pictures and pass them on.
 *
 * A snapshot is always the same Image object, as it always lies in the same frame buffer: nothing is allocated
 * for a frame. Compressed copies rotate through a few buffers of their own.
 */
export const IMAGE_MODULE = `
import _vcam
from _board import bytearray_at, words

_jpeg = _vcam.jpeg
_pixels = _vcam.pixels

_JPEG = 0x06060000
_GRAYSCALE = 0x08020001
_WITH_BLOBS = (_GRAYSCALE, 0x0C030002)
JPEG_SUBSAMPLING_AUTO = 0
JPEG_SUBSAMPLING_444 = 0x11
JPEG_SUBSAMPLING_422 = 0x21
JPEG_SUBSAMPLING_420 = 0x22

_NAMES = {0x08020001: "grayscale", 0x0C030002: "rgb565", 0x05040001: "bayer", 0x14050002: "yuv422", _JPEG: "jpeg"}

# The first seven values of the firmware's.
class Blob:
    def __init__(self, values):
        self._values = values

    def __getitem__(self, index):
        return self._values[index]

    def __len__(self):
        return len(self._values)

    def __repr__(self):
        return '{"x":%d, "y":%d, "w":%d, "h":%d, "pixels":%d, "cx":%d, "cy":%d}' % self._values

    def rect(self):
        return self._values[:4]

    def x(self):
        return self._values[0]

    def y(self):
        return self._values[1]

    def w(self):
        return self._values[2]

    def h(self):
        return self._values[3]

    def pixels(self):
        return self._values[4]

    def cx(self):
        return self._values[5]

    def cy(self):
        return self._values[6]

    def area(self):
        return self._values[2] * self._values[3]

class Image:
    # address of the data, width, height, pixel format, bytes; raw: pixels of a snapshot, drawn when asked for
    def _set(self, address, width, height, format, size, raw):
        self._address = address
        self._width = width
        self._height = height
        self._format = format
        self._size = size
        self._raw = raw
        return self

    def width(self):
        return self._width

    def height(self):
        return self._height

    def format(self):
        return self._format

    def size(self):
        return self._size

    def __len__(self):
        return self._size if self._format == _JPEG else self._height

    def __repr__(self):
        return '{"w":%d, "h":%d, "type":"%s", "size":%d}' % (
            self._width, self._height, _NAMES[self._format], self._size)

    def bytearray(self):
        if self._raw:
            _check(_pixels())
            self._raw = False
        return bytearray_at(self._address, self._size)

    def find_blobs(self, thresholds, invert=False, roi=None, x_stride=2, y_stride=1,
                   area_threshold=10, pixels_threshold=10, merge=False, margin=0):
        if self._format not in _WITH_BLOBS:
            raise OSError("This method does not support this image format: use GRAYSCALE or RGB565, uncompressed.")
        self.bytearray()
        count = 2 if self._format == _GRAYSCALE else 6
        for place, threshold in enumerate(thresholds):
            for index in range(count):
                words[index] = int(threshold[index]) + ${BOUND_OFFSET}
            _vcam.blob_bounds(1 if place else 0)
        for index, value in enumerate(roi or (0, 0, self._width, self._height)):
            words[index] = max(0, int(value))
        _vcam.blob_region(max(1, int(x_stride)), max(1, int(y_stride)))
        found = _vcam.blob_find(1 if invert else 0, int(area_threshold), int(pixels_threshold), int(margin) if merge else -1)
        return [self._blob(index) for index in range(found if thresholds else 0)]

    def _blob(self, index):
        _vcam.blob_get(index)
        return Blob(tuple(words[place] for place in range(7)))

    def to_jpeg(self, *, quality=90, subsampling=JPEG_SUBSAMPLING_AUTO, copy=False):
        if quality < 1 or quality > 100:
            raise ValueError("Quality ranges between 0 and 100")
        if self._format == _JPEG:
            return self
        size = _jpeg(quality | 0, 1 if subsampling == JPEG_SUBSAMPLING_444 else 0, 1 if copy else 0)
        _check(size)
        if copy:
            return Image()._set(words[0], self._width, self._height, _JPEG, size, False)
        self._format = _JPEG
        self._size = size
        self._raw = False
        return self

    compress = to_jpeg

    def compressed(self, *, quality=90, subsampling=JPEG_SUBSAMPLING_AUTO):
        return self.to_jpeg(quality=quality, subsampling=subsampling, copy=True)

def _check(code):
    while code == ${INTERRUPTED}:
        pass  # here the interrupt is raised
    if code < 0:
        raise OSError("The image doesn't fit in the frame buffer!" if code == ${NO_ROOM} else "Compression Failed!")
`;
