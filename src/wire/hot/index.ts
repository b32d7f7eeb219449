// The codecs of what a busy member reads and writes tens of thousands of times a second: puts and ranges.
// Guarantees: the same messages and bytes as the generated codecs, which a random comparison holds. What is not as
// clients usually write it is not decoded here (undefined), and the generated code takes it: so this never refuses.
// Must not: be needed for anything but speed.
export { decodePutRequest, decodeRangeRequest } from './decode.ts';
export { encodePutResponse, encodeRangeResponse } from './encode.ts';
