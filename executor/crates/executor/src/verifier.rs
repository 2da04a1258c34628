//! Ed25519 verification (RFC 8032) with a key that is known beforehand. What passes is exactly what passes `verify_strict` of
//! ed25519-dalek; the multiples of the key, laid out once, save it the doublings, and with them more than half of the time.

use std::sync::LazyLock;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest, Sha512};

pub const SIGNATURE_SIZE: usize = 64;
/// Digits of a scalar to base 256, and what each can be beside nothing.
const DIGITS: usize = 32;
const VALUES: usize = 255;

static BASE: LazyLock<Multiples> = LazyLock::new(|| Multiples::of(ED25519_BASEPOINT_POINT));

pub struct Verifier {
    key: VerifyingKey,
    negative: Multiples,
}

/// Row i holds 1, 2, ... 255 times 256^i times a point (1.3 MB). A signature and its key are public: which of them are added up may
/// show in the time that it takes.
struct Multiples(Vec<EdwardsPoint>);

impl Multiples {
    fn of(point: EdwardsPoint) -> Self {
        let mut all = Vec::with_capacity(DIGITS * VALUES);
        let mut first = point;
        for _ in 0..DIGITS {
            let mut multiple = first;
            for _ in 0..VALUES {
                all.push(multiple);
                multiple += first;
            }
            first = multiple;
        }
        Self(all)
    }

    /// `sum` and the point `times` over.
    fn add_to(&self, mut sum: EdwardsPoint, times: &Scalar) -> EdwardsPoint {
        for (row, digit) in self.0.chunks_exact(VALUES).zip(times.as_bytes()) {
            if let Some(multiple) = usize::from(*digit).checked_sub(1).map(|place| &row[place]) {
                sum += multiple;
            }
        }
        sum
    }
}

impl Verifier {
    pub fn new(key: VerifyingKey) -> Self {
        LazyLock::force(&BASE);
        Self { key, negative: Multiples::of(-key.to_edwards()) }
    }

    /// Whether the key's owner signed `message`. Refused as well: a scalar that is not reduced, a point that is not encoded in the
    /// one right way, and points of small order, which sign anything.
    pub fn is_signed(&self, message: &[u8], signature: &[u8; SIGNATURE_SIZE]) -> bool {
        let (commitment, scalar) = signature.split_at(SIGNATURE_SIZE / 2);
        let scalar = <[u8; 32]>::try_from(scalar).ok().and_then(|bytes| Scalar::from_canonical_bytes(bytes).into());
        let Some(scalar) = scalar.filter(|_| !self.key.is_weak()) else { return false };
        let challenge =
            Scalar::from_hash(Sha512::new().chain_update(commitment).chain_update(self.key).chain_update(message));
        let expected = BASE.add_to(self.negative.add_to(EdwardsPoint::default(), &challenge), &scalar);
        // The commitment is compared as bytes, so it is the expected point, also in its order.
        expected.compress().as_bytes() == commitment && !expected.is_small_order()
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use ed25519_dalek::{Signature, Signer, SigningKey};

    use super::*;

    /// What both say of it.
    fn agreed(key: &VerifyingKey, verifier: &Verifier, message: &[u8], signature: &[u8; SIGNATURE_SIZE]) -> bool {
        let strict = key.verify_strict(message, &Signature::from_bytes(signature)).is_ok();
        assert_eq!(verifier.is_signed(message, signature), strict, "{signature:?}");
        strict
    }

    #[test]
    fn what_the_key_signed_passes_and_no_bit_of_it_may_change() {
        for seed in 0..2 {
            let signing = SigningKey::from_bytes(&[seed; 32]);
            let (key, verifier) = (signing.verifying_key(), Verifier::new(signing.verifying_key()));
            for length in [0, 600] {
                let message = vec![seed; length];
                let signature = signing.sign(&message).to_bytes();
                assert!(agreed(&key, &verifier, &message, &signature));
                assert!(!agreed(&key, &verifier, b"another", &signature));
                for bit in (0..SIGNATURE_SIZE * 8).step_by(3) {
                    let mut changed = signature;
                    changed[bit / 8] ^= 1 << (bit % 8);
                    assert!(!agreed(&key, &verifier, &message, &changed), "bit {bit}");
                }
            }
        }
    }

    #[test]
    fn a_scalar_beyond_the_order_is_no_second_signature() {
        let signing = SigningKey::from_bytes(&[7; 32]);
        let (key, verifier) = (signing.verifying_key(), Verifier::new(signing.verifying_key()));
        let mut signature = signing.sign(b"pay").to_bytes();
        // The group's order, 2^252 + 27742317777372353535851937790883648493.
        let order: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut carry = 0;
        for (byte, add) in signature[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
        }
        assert!(!agreed(&key, &verifier, b"pay", &signature));
    }

    /// Points of small order, and keys and commitments that carry one along: where careless verification lets a forgery pass, or
    /// lets two programs disagree.
    #[test]
    fn small_orders_and_odd_encodings_are_judged_as_verify_strict_judges_them() {
        let signing = SigningKey::from_bytes(&[9; 32]);
        let secret = signing.to_scalar();
        let nonce = Scalar::from(123_456_789_u64);
        let mut passed = 0;
        for in_key in EIGHT_TORSION {
            for owner in [EdwardsPoint::default(), signing.verifying_key().to_edwards()] {
                let key = VerifyingKey::from(owner + in_key);
                let verifier = Verifier::new(key);
                for in_commitment in EIGHT_TORSION {
                    for start in [EdwardsPoint::default(), EdwardsPoint::mul_base(&nonce)] {
                        for message in [b"one".as_slice(), b"two"] {
                            let commitment = (start + in_commitment).compress();
                            let hash = Sha512::new().chain_update(commitment.as_bytes()).chain_update(key);
                            let challenge = Scalar::from_hash(hash.chain_update(message));
                            for scalar in [Scalar::ZERO, nonce + challenge * secret, challenge * secret, nonce] {
                                let mut signature = [0; SIGNATURE_SIZE];
                                signature[..32].copy_from_slice(commitment.as_bytes());
                                signature[32..].copy_from_slice(scalar.as_bytes());
                                passed += usize::from(agreed(&key, &verifier, message, &signature));
                            }
                        }
                    }
                }
            }
        }
        assert!(passed > 0, "some of a mixed order do pass, there as here");
        // Not the one right encoding of a point: y = p + 1, the neutral element's.
        let mut odd = [0xff; 32];
        (odd[0], odd[31]) = (0xee, 0x7f);
        let verifier = Verifier::new(signing.verifying_key());
        let mut signature = [0; SIGNATURE_SIZE];
        signature[..32].copy_from_slice(&odd);
        assert!(!agreed(&signing.verifying_key(), &verifier, b"", &signature));
        if let Ok(key) = VerifyingKey::from_bytes(&odd) {
            assert!(!agreed(&key, &Verifier::new(key), b"", &signature));
        }
    }
}
