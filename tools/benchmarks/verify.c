/* What OpenSSL takes for the cryptography of a verification: SHA-384 over the pages of a TDX module, and the sigstruct's
   RSA-3072 signature (PKCS#1 v1.5, SHA-384) by the key that it names. tools/bench measures `tdxfs image verify` beside it.

   verify IMAGE…    header format 0x100 as tdxfs forges it: sigstruct at 4096, module at 8192 */
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIGSTRUCT = 4096, SIGSTRUCT_SIZE = 2048, MODULE = 8192, MODULUS = 128, SIGNATURE = 516, HASH = 900, KEY = 384 };

static EVP_PKEY *public_key(const unsigned char *modulus) {
  BIGNUM *n = BN_lebin2bn(modulus, KEY, NULL), *e = BN_new();
  OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
  EVP_PKEY *key = NULL;
  if (n && e && builder && context && BN_set_word(e, 65537) && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) &&
      OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e)) {
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    if (EVP_PKEY_fromdata_init(context) <= 0 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) <= 0)
      key = NULL;
    OSSL_PARAM_free(parameters);
  }
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_BLD_free(builder);
  BN_free(n);
  BN_free(e);
  return key;
}

static int is_signed(const unsigned char *sigstruct) {
  unsigned char message[128 + SIGSTRUCT_SIZE - HASH], signature[KEY];
  memcpy(message, sigstruct, 128);
  memcpy(message + 128, sigstruct + HASH, SIGSTRUCT_SIZE - HASH);
  for (int i = 0; i < KEY; i++) signature[i] = sigstruct[SIGNATURE + KEY - 1 - i];
  EVP_PKEY *key = public_key(sigstruct + MODULUS);
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  int result = key && context && EVP_DigestVerifyInit(context, NULL, EVP_sha384(), NULL, key) == 1 &&
               EVP_DigestVerify(context, signature, KEY, message, sizeof message) == 1;
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  return result;
}

int main(int count, char **words) {
  for (int i = 1; i < count; i++) {
    int file = open(words[i], O_RDONLY);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0 || status.st_size <= MODULE) return 1;
    size_t size = (size_t)status.st_size;
    unsigned char *image = malloc(size), digest[48];
    if (image == NULL || read(file, image, size) != (ssize_t)size) return 1;
    close(file);
    unsigned length = 0;
    int isIntact = EVP_Digest(image + MODULE, size - MODULE, digest, &length, EVP_sha384(), NULL) == 1 &&
                   memcmp(digest, image + SIGSTRUCT + HASH, sizeof digest) == 0 && is_signed(image + SIGSTRUCT);
    printf("%s: %s\n", words[i], isIntact ? "passes" : "fails");
    free(image);
    if (!isIntact) return 1;
  }
  return 0;
}
