// Stave beside the floor; see `Program`.

import Workbench

Program().main()
