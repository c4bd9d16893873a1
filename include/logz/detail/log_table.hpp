// SPDX-License-Identifier: MIT
//
// Written by tests/reference/log_table.py; not edited by hand.
#pragma once

#include "../config.hpp"

LOGZ_NAMESPACE_BEGIN
namespace detail {

/// A reciprocal c of 10 bits near 128 / i, and -log c = high + low.
struct log_entry {
  double c;
  double high;
  double low;
};

inline constexpr int first_log_entry = 90;
inline constexpr log_entry log_table[93] = {
    {0x1.6cp+0, -0x1.686c81e9b14afp-2, 0x1.ddea0f7f58e3dp-57},
    {0x1.68p+0, -0x1.5d1bdbf5809cap-2, -0x1.4236383dc7fe1p-56},
    {0x1.64p+0, -0x1.51aad872df82dp-2, -0x1.3927ac19f55e3p-59},
    {0x1.608p+0, -0x1.478cd5959b3d9p-2, -0x1.37e191a12fb48p-58},
    {0x1.5c8p+0, -0x1.3bdd24eb14b6ap-2, -0x1.2da3c6449a7dp-58},
    {0x1.59p+0, -0x1.31871c9544185p-2, 0x1.51acc4c09b379p-60},
    {0x1.558p+0, -0x1.27161913f853dp-2, -0x1.e3ec2ac9676b8p-57},
    {0x1.52p+0, -0x1.1c898c16999fbp-2, 0x1.0e5c62aff1c44p-60},
    {0x1.4e8p+0, -0x1.11e0e2dad9cb7p-2, -0x1.dc0cc6917022bp-63},
    {0x1.4bp+0, -0x1.071b85fcd590dp-2, -0x1.d1707f97bde8p-58},
    {0x1.478p+0, -0x1.f871b28955045p-3, -0x1.4ad6c8812d31ap-63},
    {0x1.448p+0, -0x1.e598ed5a87e2fp-3, 0x1.a5e78f4c50659p-58},
    {0x1.418p+0, -0x1.d293581b6b3e7p-3, 0x1.c04a2aa97ac8ep-58},
    {0x1.3ep+0, -0x1.bc286742d8cd6p-3, -0x1.4fce744870f55p-58},
    {0x1.3bp+0, -0x1.a8becfc882f19p-3, 0x1.e8c37918c39ebp-58},
    {0x1.38p+0, -0x1.9525a9cf456b4p-3, -0x1.d904c1d4e2e26p-57},
    {0x1.35p+0, -0x1.815c0a14357ebp-3, 0x1.4be48073a0564p-58},
    {0x1.32p+0, -0x1.6d60fe719d21dp-3, 0x1.caae268ecd179p-57},
    {0x1.2f8p+0, -0x1.5c940075972b9p-3, -0x1.adccb73379cc5p-58},
    {0x1.2c8p+0, -0x1.483bccce6e3ddp-3, -0x1.29391fb1b4b22p-57},
    {0x1.2ap+0, -0x1.371fc201e8f74p-3, -0x1.de6cb62af18ap-58},
    {0x1.27p+0, -0x1.2266f190a5acbp-3, -0x1.f547bf1809e88p-57},
    {0x1.248p+0, -0x1.10f8e422539b1p-3, -0x1.8f798d39f1b7dp-58},
    {0x1.22p+0, -0x1.fec9131dbeabbp-4, 0x1.5746b9981b36cp-58},
    {0x1.1f8p+0, -0x1.db5270187d927p-4, -0x1.e15ab8607d2acp-58},
    {0x1.1dp+0, -0x1.b78c82bb0eda1p-4, -0x1.0878cf0327e21p-61},
    {0x1.1a8p+0, -0x1.9375e55595edep-4, 0x1.e463f9e4dd92p-59},
    {0x1.18p+0, -0x1.6f0d28ae56b4cp-4, 0x1.906d99184b992p-58},
    {0x1.158p+0, -0x1.4a50d3aa1b04p-4, -0x1.ecf768c1dd57bp-61},
    {0x1.138p+0, -0x1.2cb0283f5de1fp-4, 0x1.d359a8fde8adep-60},
    {0x1.11p+0, -0x1.075983598e471p-4, -0x1.80da5333c45b8p-59},
    {0x1.0fp+0, -0x1.d276b8adb0b52p-5, -0x1.1e3c53257fd47p-61},
    {0x1.0c8p+0, -0x1.868a83083f6cfp-5, 0x1.d09a5634943dbp-61},
    {0x1.0a8p+0, -0x1.494acc34d911cp-5, -0x1.e295bf491ccc5p-59},
    {0x1.088p+0, -0x1.0b94f7c196176p-5, -0x1.da43f761f4dc4p-59},
    {0x1.06p+0, -0x1.7b91b07d5b11bp-6, 0x1.5b602ace3a51p-60},
    {0x1.04p+0, -0x1.fc0a8b0fc03e4p-7, 0x1.83092c59642a1p-62},
    {0x1.02p+0, -0x1.fe02a6b106789p-8, 0x1.e44b7e3711ebfp-67},
    {0x1p+0, 0x0p+0, 0x0p+0},
    {0x1.fcp-1, 0x1.010157588de71p-7, 0x1.46662d417cedp-62},
    {0x1.f8p-1, 0x1.0205658935847p-6, 0x1.27c8e8416e71fp-60},
    {0x1.f4p-1, 0x1.8492528c8cabfp-6, -0x1.d192d0619fa67p-60},
    {0x1.fp-1, 0x1.0415d89e74444p-5, 0x1.c05cf1d753622p-59},
    {0x1.edp-1, 0x1.35c8bfaa1306bp-5, -0x1.50830a65543a4p-63},
    {0x1.e9p-1, 0x1.788595a3577bap-5, 0x1.e5ef898b67923p-59},
    {0x1.e5p-1, 0x1.bbcebfc68f42p-5, 0x1.e5cf3a0f56f72p-60},
    {0x1.e2p-1, 0x1.eea31c006b87cp-5, -0x1.3e4fc93b7b66cp-59},
    {0x1.dep-1, 0x1.1973bd1465567p-4, -0x1.7558367a6acf6p-59},
    {0x1.dbp-1, 0x1.333d7f8183f4bp-4, 0x1.a92afc8ef70b1p-58},
    {0x1.d7p-1, 0x1.55e10050e0384p-4, -0x1.45f9d61c68c1bp-58},
    {0x1.d4p-1, 0x1.700d30aeac0e1p-4, -0x1.72566212cdd05p-61},
    {0x1.d1p-1, 0x1.8a6477a91dc29p-4, -0x1.fa83214904842p-59},
    {0x1.cep-1, 0x1.a4e7640b1bc38p-4, -0x1.5b5ca203e4259p-58},
    {0x1.cap-1, 0x1.c885801bc4b23p-4, 0x1.a38cb559a6706p-58},
    {0x1.c7p-1, 0x1.e3707ee30487bp-4, 0x1.09ccecd579d99p-58},
    {0x1.c4p-1, 0x1.fe89139dbd566p-4, -0x1.ac9f4215f9393p-58},
    {0x1.c1p-1, 0x1.0ce7ecdccc28dp-3, -0x1.692a0055dc959p-57},
    {0x1.bep-1, 0x1.1aa2b7e23f72ap-3, -0x1.c6ef1d9b2ef7ep-59},
    {0x1.bbp-1, 0x1.28753bc11aba5p-3, -0x1.6394d9fa33311p-57},
    {0x1.b8p-1, 0x1.365fcb0159016p-3, 0x1.7d411a5b944adp-58},
    {0x1.b5p-1, 0x1.4462b9dc9b3dcp-3, -0x1.629c46c186385p-58},
    {0x1.b2p-1, 0x1.527e5e4a1b58dp-3, -0x1.71a9682395bfdp-61},
    {0x1.afp-1, 0x1.60b3100b09476p-3, -0x1.5b2623e05016bp-58},
    {0x1.acp-1, 0x1.6f0128b756abcp-3, -0x1.8de59c21e166cp-57},
    {0x1.aap-1, 0x1.7898d85444c73p-3, 0x1.ef8f6ebcfb201p-58},
    {0x1.a7p-1, 0x1.871213750e994p-3, 0x1.d685f35eea2ap-57},
    {0x1.a4p-1, 0x1.95a5adcf7017fp-3, 0x1.142c507fb7a3dp-58},
    {0x1.a1p-1, 0x1.a454082e6ab05p-3, 0x1.df207dc5c34c6p-58},
    {0x1.9fp-1, 0x1.ae2ca6f672bd4p-3, 0x1.ab5ca9eaa088ap-57},
    {0x1.9cp-1, 0x1.bd087383bd8adp-3, 0x1.dd355f6a516d7p-60},
    {0x1.9ap-1, 0x1.c6ffbc6f00f71p-3, -0x1.8e58b2c57a4a5p-57},
    {0x1.97p-1, 0x1.d60a17f903515p-3, -0x1.c0df841a71b7ap-57},
    {0x1.95p-1, 0x1.e020cc6235ab5p-3, 0x1.fea48dd7b81d1p-58},
    {0x1.92p-1, 0x1.ef5ade4dcffe6p-3, -0x1.08ab2ddc708ap-58},
    {0x1.9p-1, 0x1.f991c6cb3b379p-3, 0x1.f665066f980a2p-57},
    {0x1.8dp-1, 0x1.047e60cde83b8p-2, -0x1.0779634061cbcp-56},
    {0x1.8bp-1, 0x1.09aa572e6c6d4p-2, 0x1.43c2e68684d53p-57},
    {0x1.88p-1, 0x1.1178e8227e47cp-2, -0x1.0e63a5f01c691p-57},
    {0x1.86p-1, 0x1.16b5ccbacfb73p-2, 0x1.66fbd28b40935p-56},
    {0x1.84p-1, 0x1.1bf99635a6b95p-2, -0x1.12aeb84249223p-57},
    {0x1.82p-1, 0x1.214456d0eb8d4p-2, 0x1.f7ae91aeba60ap-57},
    {0x1.7fp-1, 0x1.2941afb186b7cp-2, -0x1.856e61c51574p-57},
    {0x1.7dp-1, 0x1.2e9e2bce12286p-2, 0x1.8251a3b83d97ap-62},
    {0x1.7bp-1, 0x1.3401e12aecba1p-2, -0x1.cd55b8a4746cp-58},
    {0x1.79p-1, 0x1.396ce359bbf54p-2, -0x1.ce2b31b31e8bp-58},
    {0x1.76p-1, 0x1.419b423d5e8c7p-2, 0x1.0dbb243827392p-57},
    {0x1.74p-1, 0x1.4718dc271c41bp-2, 0x1.8fb4c14c56eefp-60},
    {0x1.72p-1, 0x1.4c9e09e172c3cp-2, -0x1.123615b147a5dp-58},
    {0x1.7p-1, 0x1.522ae0738a3d8p-2, -0x1.8f7e9b38a6979p-57},
    {0x1.6ep-1, 0x1.57bf753c8d1fbp-2, -0x1.0908d15f88b63p-57},
    {0x1.6cp-1, 0x1.5d5bddf595f3p-2, -0x1.6541148cbb8a2p-56},
    {0x1.6ap-1, 0x1.630030b3aac49p-2, 0x1.dc18ce51fff99p-57},
    {0x1.68p-1, 0x1.68ac83e9c6a14p-2, 0x1.a64eadd740178p-58},
};

}  // namespace detail
LOGZ_NAMESPACE_END
