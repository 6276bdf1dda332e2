"""Pictures with a palette: a page has few colours, and a hundred of them look the same at a third of the size. The browser counts
pixels, Python packs them."""

import base64
import struct
import zlib

# Returns [width, height, palette as "r,g,b" texts, base64 of one byte for each pixel].
COUNT = """
const [data, most, done] = arguments;
const image = new Image();
image.onload = () => {
    const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
    const rough = (colour) => colour & 0xf8f8f8;
    const counts = new Map();
    for (const colour of pixels) counts.set(colour, (counts.get(colour) || 0) + 1);
    const groups = new Map(); // of each rough colour its most frequent exact one, and how many there are
    for (const [colour, times] of counts) {
        const group = groups.get(rough(colour)) || {colour, best: 0, all: 0};
        group.all += times;
        if (times > group.best) Object.assign(group, {colour, best: times});
        groups.set(rough(colour), group);
    }
    const palette = [...groups.values()].sort((a, b) => b.best - a.best).slice(0, most).map((group) => group.colour);
    const part = (colour, shift) => (colour >> shift) & 255;
    const nearest = new Map();
    const indexOf = (colour) => {
        let found = nearest.get(colour);
        if (found === undefined) {
            let least = Infinity;
            palette.forEach((one, i) => {
                const distance = (part(one, 0) - part(colour, 0)) ** 2 + (part(one, 8) - part(colour, 8)) ** 2 + (part(one, 16) - part(colour, 16)) ** 2;
                if (distance < least) [least, found] = [distance, i];
            });
            nearest.set(colour, found);
        }
        return found;
    };
    const bytes = new Uint8Array(pixels.length);
    for (let i = 0; i < pixels.length; i++) bytes[i] = indexOf(pixels[i]);
    const reader = new FileReader();
    reader.onload = () => done([image.width, image.height, palette.map((one) => [part(one, 0), part(one, 8), part(one, 16)].join()), reader.result.split(',')[1]]);
    reader.readAsDataURL(new Blob([bytes]));
};
image.src = 'data:image/png;base64,' + data;
"""


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def shrink(browser, path, colours=112):
    """Rewrites the picture at `path` with a palette. The browser is left on an empty page."""
    browser.go("about:blank")
    with open(path, "rb") as file:
        whole = base64.b64encode(file.read()).decode()
    width, height, palette, pixels = browser.driver.execute_async_script(COUNT, whole, colours)
    pixels = base64.b64decode(pixels)
    rows = b"".join(b"\0" + pixels[y * width:(y + 1) * width] for y in range(height))
    table = bytes(int(part) for colour in palette for part in colour.split(","))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)) +
                   chunk(b"PLTE", table) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))
