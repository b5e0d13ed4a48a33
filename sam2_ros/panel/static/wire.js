// The binary message of a picture: header length (4 bytes, little endian), JSON header, runs of the label image, JPEG.

/** A picture's header, runs and JPEG. */
export function readPicture(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const start = 4 + length;
  const bytes = header.mask ? header.mask.bytes : 0;
  return {
    header,
    runs: new Uint32Array(buffer, start, bytes / 4), // start, length, value, ...
    jpeg: new Uint8Array(buffer, start + bytes),
  };
}
