internal import CLinux

/// Mapped files of which a page cannot be read any more, because the file was cut or its disk
/// failed. The kernel answers with SIGBUS, which ends the process unless `survive` was called.
package enum LostPages {
    /// From now on such a page holds zeros, for good. Costs nothing where no page is lost. For a
    /// program that looks at files of which it knows nothing: the store itself does not call this.
    package static func survive() { stave_survive_lost_pages() }
}

extension Mapping {
    /// The first byte of a page that was lost.
    package var firstLostOffset: Int? {
        // SAFETY: the addresses are only compared.
        let offset = unsafe stave_first_lost_page(base, Int64(count))
        return offset < 0 ? nil : Int(offset)
    }
}
