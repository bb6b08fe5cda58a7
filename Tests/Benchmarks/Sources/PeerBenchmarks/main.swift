// Stave beside the floor and the other engines; see `Program`.

import Workbench

let peers: [EngineKind] = [
    .tkrzw, .kyotoCabinet, .lmdb, .lmdbWriteMap, .levelDB, .rocksDB, .berkeleyDB, .sqlite,
]
Program(peers: peers).main()
