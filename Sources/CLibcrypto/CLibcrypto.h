#ifndef TDXFS_CLIBCRYPTO_H
#define TDXFS_CLIBCRYPTO_H

/* OpenSSL's libcrypto. Of what is deprecated only SHA384_*: their context is a plain value, which can be copied and kept in
 * a snapshot; no other interface gives the state of a hash that is under way. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

/* EVP_PKEY_PUBLIC_KEY is a combination that Swift does not import. */
static const int clibcrypto_public_key = EVP_PKEY_PUBLIC_KEY;

/* OPENSSL_free is a macro that names its caller. */
static inline void clibcrypto_free(void *memory) { OPENSSL_free(memory); }

/* The builder keeps the pointers to the names, so they must be C's own and not temporary ones of Swift. */
static inline int clibcrypto_push_rsa(OSSL_PARAM_BLD *builder, const BIGNUM *modulus, const BIGNUM *exponent) {
  return OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) &&
         OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent);
}

#endif
