import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashKeys, hashText, mix, modulo, sipHash } from './hash.ts';

const reference = { k0: { high: 0x07060504, low: 0x03020100 }, k1: { high: 0x0f0e0d0c, low: 0x0b0a0908 } };
const hex = ({ high, low }: { high: number; low: number }) =>
  high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');

test('the hash is SipHash-2-4: the vectors of its authors', () => {
  const upTo = (length: number) => Uint8Array.from({ length }, (_, position) => position);
  assert.equal(hex(sipHash(reference, upTo(0))), '726fdb47dd0e0e31');
  assert.equal(hex(sipHash(reference, upTo(1))), '74f839c593dc67fd');
  assert.equal(hex(sipHash(reference, upTo(8))), '93f5f5799a932462');
  assert.equal(hex(sipHash(reference, upTo(15))), 'a129ca6149be45e5');
});

test('hashes are the same for ever: what earlier versions computed', () => {
  const member = hashText(hashKeys.member, 'host-1:4711:09af');
  const partition = hashText(hashKeys.partition, '17');
  const routed = hashText(hashKeys.routed, 'customer-42 ü');
  assert.deepEqual(
    [hex(member), hex(partition), hex(routed)],
    ['88b40c5ee9954821', '0cf37262f75ffffe', '57384d66c9367692'],
  );
  assert.equal(mix(member, partition), 0.7926792865246928);
  assert.equal(modulo(routed, 1000), 826);
});

test('the remainder is that of the whole 64 bits', () => {
  for (let number = 0; number < 500; number++) {
    const hash = hashText(hashKeys.routed, `key ${number}`);
    const divisor = 1 + ((number * 2099) % 2 ** 20);
    const whole = (BigInt(hash.high) << 32n) | BigInt(hash.low);
    assert.equal(modulo(hash, divisor), Number(whole % BigInt(divisor)));
  }
});

test('the mixture of hashes of similar texts is spread evenly: every bucket within five deviations', () => {
  const buckets = new Array<number>(64).fill(0);
  for (let member = 0; member < 100; member++) {
    for (let partition = 0; partition < 640; partition++) {
      const left = hashText(hashKeys.member, `host:${member}`);
      const right = hashText(hashKeys.partition, `${partition}`);
      const bucket = Math.floor(mix(left, right) * 64);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
  }
  for (const found of buckets) assert(Math.abs(found - 1000) < 5 * Math.sqrt(1000), String(buckets));
});
