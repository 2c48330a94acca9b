#ifndef TDXFS_CFUSE3_H
#define TDXFS_CFUSE3_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#endif
