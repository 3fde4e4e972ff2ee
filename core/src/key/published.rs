//! Example keys printed in RFCs: everybody has their private halves, so they are never accepted (spec, section 3.1).

use base64ct::{Base64UrlUnpadded, Encoding};

use super::Thumbprint;

/// Where the key is printed, and its thumbprint.
pub const PUBLISHED: [(&str, &str); 18] = [
    ("RFC 8032 section 7.1, TEST 1; RFC 8037 appendix A", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
    ("RFC 8032 section 7.1, TEST 2", "FtIu-VbGrfe_KB6CH7GNwODB72MNxj_ml11dEvO-7kk"),
    ("RFC 8032 section 7.1, TEST 3", "FVV5umTuau890q59V-4Ga_R6qWb7ON_ivJc4EjvCwTM"),
    ("RFC 8032 section 7.1, TEST 1024", "lZI1vM7tnlYapaF5-cy86ptx0tT_8Av721hhiNB5ti4"),
    ("RFC 8032 section 7.1, TEST SHA(abc)", "iiDHHfFVNG6ICMUTsicgrWf1igtFYZEK73xlobt1ah4"),
    ("RFC 8032 section 7.2, first key", "2bVIQ9_u0wVxBsBwmxK3F42rRFnt_dA7CZQ3u_2RKZY"),
    ("RFC 8032 section 7.2, second key", "qz1FYaobwnFjkaNLccv-mFXe7gu45Zo72p2XqE3Is20"),
    ("RFC 8410 section 10", "3YZxBJ12jO3n_mXt_q-j_Z-TFP1vt-NiI3OCf-fEnHQ"),
    ("RFC 9421 appendix B.1.3, test-key-ecc-p256", "ydQXMtvbsOsZyFir-Y7A8t7fKEM1gbKPvyFkdpu4fvI"),
    ("RFC 9421 appendix B.1.4, test-key-ed25519", "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U"),
    ("RFC 6979 appendix A.2.5", "DOvxvJiAdIqVWIkFt5hDtCunXLF0BV4-JGv4f-ALSm0"),
    ("RFC 7515 appendix A.3", "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"),
    ("RFC 7517 appendix A.1", "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"),
    ("RFC 7518 appendix C, Alice", "_GK0r6GCoJt9zcssg9lay4obIxgCq05ntiRymRHADSU"),
    ("RFC 7518 appendix C, Bob", "Vy57XrArUrW0NbpI12tEzDHABxMwrTh6HHXRenSpnCo"),
    ("RFC 7520 section 5.5", "HsSFalww3yP-dO-lWGYgFcyV5H22oScIFc4V2Y6GOto"),
    ("RFC 7800 section 3.2", "gNVUILmGM8X02lmcIVmHKnjrJlfhXYf0Zi8dWhyXGWs"),
    ("RFC 9449 section 4.1", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
];

pub(super) fn is_published(thumbprint: &Thumbprint) -> bool {
    let mut text = [0; 43];
    let text = Base64UrlUnpadded::encode(thumbprint.as_bytes(), &mut text).unwrap_or_default();
    PUBLISHED.iter().any(|(_, known)| *known == text)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::super::{Algorithm, Point, Secret, SigningKey, VerifyingKey};
    use super::*;
    use crate::Code;

    fn base64url(text: &str) -> [u8; 32] {
        Base64UrlUnpadded::decode_vec(text).unwrap().try_into().unwrap()
    }

    fn hex(text: &str) -> [u8; 32] {
        core::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
    }

    /// Where it is printed, and the private half.
    #[test]
    fn private_keys_printed_in_rfcs_are_refused() {
        let ed25519 = [
            (
                "RFC 8032 section 7.1, TEST 1; RFC 8037 appendix A",
                hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
            ),
            (
                "RFC 8032 section 7.1, TEST 2",
                hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"),
            ),
            (
                "RFC 8032 section 7.1, TEST 3",
                hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"),
            ),
            (
                "RFC 8032 section 7.1, TEST 1024",
                hex("f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5"),
            ),
            (
                "RFC 8032 section 7.1, TEST SHA(abc)",
                hex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42"),
            ),
            (
                "RFC 8032 section 7.2, first key",
                hex("0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6"),
            ),
            (
                "RFC 8032 section 7.2, second key",
                hex("ab9c2853ce297ddab85c993b3ae14bcad39b2c682beabc27d6d4eb20711d6560"),
            ),
            (
                "RFC 9421 appendix B.1.4, test-key-ed25519",
                base64url("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU"),
            ),
        ];
        let p256 = [
            (
                "RFC 9421 appendix B.1.3, test-key-ecc-p256",
                base64url("UpuF81l-kOxbjf7T4mNSv0r5tN67Gim7rnf6EFpcYDs"),
            ),
            (
                "RFC 6979 appendix A.2.5",
                hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"),
            ),
        ];
        for (algorithm, keys) in [(Algorithm::Ed25519, &ed25519[..]), (Algorithm::P256, &p256[..])] {
            for (printed, key) in keys {
                let thumbprint = Secret::read(algorithm, key).unwrap().1.thumbprint().to_string();
                assert!(PUBLISHED.contains(&(printed, &thumbprint)), "{printed} {thumbprint}");
                assert_eq!(SigningKey::from_bytes(algorithm, key).unwrap_err().code(), Code::KeyRefused);
            }
        }
    }

    #[test]
    fn public_keys_printed_in_rfcs_are_refused() {
        for (printed, x, y) in [
            (
                "RFC 7515 appendix A.3",
                "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            ),
            (
                "RFC 7517 appendix A.1",
                "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
                "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            ),
            (
                "RFC 7518 appendix C, Alice",
                "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
                "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
            ),
            (
                "RFC 7518 appendix C, Bob",
                "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
                "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
            ),
            (
                "RFC 7520 section 5.5",
                "Ze2loSV3wrroKUN_4zhwGhCqo3Xhu1td4QjeQ5wIVR0",
                "HlLtdXARY_f55A3fnzQbPcm6hgr34Mp8p-nuzQCE0Zw",
            ),
            (
                "RFC 7800 section 3.2",
                "18wHLeIgW9wVN6VD1Txgpqy2LszYkMf6J8njVAibvhM",
                "-V4dS4UaLMgP_4fY4j8ir7cl1TXlFdAgcx55o7TkcSA",
            ),
            (
                "RFC 9449 section 4.1",
                "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
                "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
            ),
        ] {
            let (x, y) = (base64url(x), base64url(y));
            let thumbprint = Point::p256(&x, &y).unwrap().thumbprint().to_string();
            assert!(PUBLISHED.contains(&(printed, &thumbprint)), "{printed} {thumbprint}");
            assert_eq!(VerifyingKey::p256(&x, &y).unwrap_err().code(), Code::KeyRefused);
        }
        let printed = "RFC 8410 section 10";
        let x = base64url("Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE");
        let thumbprint = Point::ed25519(&x).unwrap().thumbprint().to_string();
        assert!(PUBLISHED.contains(&(printed, &thumbprint)), "{printed} {thumbprint}");
        assert_eq!(VerifyingKey::ed25519(&x).unwrap_err().code(), Code::KeyRefused);
    }
}
