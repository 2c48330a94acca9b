import Cryptography

/// The tdxfs development key: an RSA-3072 key pair that ships with tdxfs and signs the images that it forges.
///
/// It protects nothing and is no secret: everybody who has tdxfs has it. It has nothing to do with Intel, and no real
/// P-SEAMLDR takes what it signs. An emulated machine takes it as long as `keys=` lists `dev`.
public enum DevKey {
  /// The name for people.
  public static let name = "tdxfs development key"

  /// 65537, big-endian: the only exponent that the loaders accept (pseamldr.md 3.4 A15).
  static let publicExponent: [UInt8] = [1, 0, 1]

  /// The 384 bytes of MODULUS as a sigstruct stores them, little-endian.
  public static let storedModulus: [UInt8] = privateKey.map { $0.publicKey.modulus.reversed() } ?? []

  /// The pin that a loader has for it, which needs no look at the key.
  public static let pin = KeyPin.dev

  /// The SIGNATURE of `message` as a sigstruct stores it, 384 bytes little-endian: PKCS#1 v1.5 with SHA-384, the same
  /// for the same message every time. Nil only if the library refuses the key below.
  static func sign(_ message: [UInt8]) -> [UInt8]? { privateKey?.sign(message)?.reversed() }

  private static let privateKey = RSAPrivateKey(pem: pem)

  private static let pem = """
    -----BEGIN RSA PRIVATE KEY-----
    MIIG4gIBAAKCAYEAv5wM9YGmgaXXwaI1SrYWqnAXQmzkB4BEWf0IeU0aUxS7+gVJ
    yA9tFhwpMqFL3R1DHRHtJaYFCCRG009ebSeM2bwRcsJR/NySeNuJ5282tTXOKV+T
    tr4hcnq85BjtkpijXQGa52RqwAT7mH13wqDPntAxjAbSyZpkw2DW73xwjz0xoNgc
    M4WUVodeI9hw0W3L44yxcVs/fkgRo21Ah0vHZfEWmM03blV4s1w83RTwejwqTP/F
    PkySONM/dClANXSbvsh/736cyGzM1avCjb2T0jvuRbb8aVdXIUqjoLRLz/8Fm4cQ
    U+bOsrmXxQ2Xoe8D8x5W9nmv7gGKVbEPWhb5p+XW3HW/bwmN5GXfCUNvaYoYzzXF
    YTe/l+1xOpEOyHlR2TqBMImM8LGSBcx4GTu46UJqFwwFQZ7BI13kshIwdF5Yw298
    zpQDghnf6ILtUap2e6B2NycA24SB/ri287Si9WrLpDZaqW78Q4r1eq7V6jf/S1kh
    khybuPpXyBt3GP8FAgMBAAECggGACChc30fBm6JAheyIN+hGtym5Vvxx1n8eHQ99
    ZxF8StTTWyxGEHyi2IUiz+M3UQoOftQlJ5KVtkIGurcvV8n0rWeo/bZkoGjEdHbM
    VgxRfo30ez7bEbWu90PFSDGZ5vR7e0ADpOrAJleDKq8OatZHE9J2hlxBm/aBzoh2
    vipEuvFDbD8NlespZJtNmIyxFby59U2N8TvBGUXfBZLNY4IIOQ12a9NlrI6t0Knf
    QX5c7dqJgBu6ykTSTBVz8/GDQhz29AFVaoDv6YCX3gV1MUMfPckqFwOzIJ/F8lk0
    wV0rs7L61BicKVSlfF/3YGqdYk8hRResb35XECZ1Pcpzr+EPFWoT/doDbA2YIRqs
    fWca4vWNs7QCzzDgYERe3NcQ1smsH7Iv4LgPHH1E9v7TZKMgbeVBlO2H066/9XDA
    YmNJpZLdCcwfpD/jB6fIlPkxtdKEJACDAXdRX8+2axavI4k/0cCIM1sWlV9Y2Sg9
    bv2w8Y/Gnv9JDI+f3wQf+YJWqoLhAoHBAPHRbz+nj2k53hGzFQz0BFb8oqN0kGfa
    ZfAqxykxw4BF8SqY3MGQasgARBQ7eLysaLwQDvKMk83rUVi/MrUzOIdkDpN8mpKn
    8e6lVcw1TU/j8DjSaiyls0j3L+wUp65XcQzuUlNp8x4UIvSeiXHfkli4i5c2DJfv
    OETjmwZ76TqSAcY9f6PxCQVKCE5qDAxvyd4qzx3u1NmDAwvc8mj/IEZF9uQKyxqe
    gI4yc7fc1Lafz3sBx8lGeiFbSPUXd9oIOQKBwQDK2M3fDwlUzaAdyGqIe9t6G+jp
    wHRhYCdeO6Ir/QMjtlozXOa+8ghww/S7OdpULNOs/vvr0Q6JwMSI7YriEsU2WM5w
    UKXo7l+K/erMUEt95B7ku2OSn9mq9H/9LxZSG5eaYCZzI9ZA+SkE+kKGig5b5zCZ
    NBei5fmhXL36TTlUSRAwfKIGXYj2Nr7HRuTY3tFgpKC7ra5kAUEuwvl2EQHixEcs
    Pj8f4ITpFZ9Igay2rOx9iVmdeALtAQK/NKUf9S0CgcAVN2DhXtwwSUl4mBPCvS4c
    S7IhUTrSQdErzzUGIj2a5YgRSrQjr34O6icO92DSfPX7ehU1pqvZJ0pN1Qin6USO
    bHLy8b3GHEIXxB3Q+uQ7nC4ZbiyumiMuxbFIr08+9qEOl2JVuzf/bZjbiYVZnloC
    ur5UmANm2TBAqw+Q9BI0d1b8g6zNP3qhIiu0ZY2FEdHOUkc1wxydsOb1hX8nQysb
    v0u4GlJTlZCF6VtJyHBJTaAwlKlouWxBvPabumFjmdECgcAef+bEiUA/7gMLN109
    VFI11Ah7TSKymYCR3KmPr6VPM1XwryFKyJ2YRv5/QD2htnPFaTl7xZ1H/SIP7Jeb
    UnMwrr2riZTIpz7aaT9qpRAUx74Vak+YdkyGNekgqnnSsq9i2N4vJc5LSqtuQirK
    i+uIygQ2pOyA489bAdTW09Gw6KN0hujdyCaVzrl0wSYbrbURsO8yCPVVuBKS82IK
    7Je5/wUsk9dt9ZZGbafbgRP1C58raQF+edMGy8Yb9dB2M6kCgcBNidgWJgcZVUix
    GJxQto3moQgyCpVYaaz14gC25/GjuOvnFzK3jISfLsLzZI8Lm3UUZeIo03hPVdB2
    DA67SI1y9rUdMeMPOiDxr2PXaUgtwbsSjBvP0soti2yLBTl+IEC9asUj/yGCm8Mi
    UG7MdpNp26MZvs+b+Q8lExtdjDuegnt6tXGoJjqQ+/2Mkn0fb1pzjeiRfgYsUuaT
    PC9pvsNpWX/XBM1MAdUExtZ+MUcptqqNg68/uVfGJq72sYy5B5w=
    -----END RSA PRIVATE KEY-----
    """
}

extension SEAMSigstruct {
  /// Puts the development key into the sigstruct and signs it; false only if the library refuses the key.
  public mutating func signWithDevKey() -> Bool {
    replace(Self.modulusRange, with: DevKey.storedModulus)
    self[Self.exponent] = 0x10001
    guard let signature = DevKey.sign(signedBytes) else { return false }
    replace(Self.signatureRange, with: signature)
    return true
  }
}
