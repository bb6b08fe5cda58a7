// The engines that Stave is measured against, through the C interfaces of their Debian packages.
#pragma once
#include <db.h>
#include <kclangc.h>
#include <leveldb/c.h>
#include <lmdb.h>
#include <rocksdb/c.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <tkrzw_langc.h>
