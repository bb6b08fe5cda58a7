// Instructions that the store's operations take, counted by callgrind: the same on every run, so
// that a regression is seen on a noisy machine too.
//
//     Instructions BUDGET            counts, prints, and fails where an operation is over its budget
//     Instructions work DIR N        what callgrind watches

import Foundation

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.first == "work" {
    Work(directory: arguments[1], keys: Int(arguments[2])!).run()
} else {
    exit(try Budget(file: arguments[0]).check() ? 0 : 1)
}
