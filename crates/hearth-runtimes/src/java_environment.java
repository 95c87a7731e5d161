package hearth;

import java.io.FileInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import sun.misc.Unsafe;

/**
 * The variables of the process, in the C library, where Java and native code read them.
 *
 * <p>The library's own symbol says where its pointer to them is. That it is right is checked: what
 * it leads to must be what the process was started with.
 */
final class Environment {
    private static final int SYMBOL_BYTES = 24;

    private final Unsafe unsafe;
    private final List<Region> regions;
    /** Where the C library keeps `environ`. */
    private final long pointer;

    Environment(Unsafe unsafe) throws IOException {
        this.unsafe = unsafe;
        if (unsafe.addressSize() != 8 || ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
            throw new IOException("not a machine that this was written for");
        }
        regions = Region.all();
        Region library = Region.ofLibrary(regions);
        pointer = library.start + symbol(library.path);
        if (!isIn(pointer, "rw") || !read().equals(startedWith())) {
            throw new IOException("the variables are not where they were looked for");
        }
    }

    /** Puts others in their place: each with a NUL behind it. */
    void replace(byte[] variables) {
        int count = 0;
        for (byte one : variables) {
            count += one == 0 ? 1 : 0;
        }
        long texts = unsafe.allocateMemory(variables.length);
        long array = unsafe.allocateMemory(8L * (count + 1));
        int next = 0;
        boolean begins = true;
        for (int at = 0; at < variables.length; at++) {
            if (begins) {
                unsafe.putLong(array + 8L * next++, texts + at);
            }
            unsafe.putByte(texts + at, variables[at]);
            begins = variables[at] == 0;
        }
        unsafe.putLong(array + 8L * next, 0);
        // Never freed: as long as the process lives somebody may hold a pointer into it.
        unsafe.putLong(pointer, array);
    }

    private List<String> read() throws IOException {
        List<String> variables = new ArrayList<>();
        long array = unsafe.getLong(pointer);
        for (long at = array; isIn(at, "r") && isIn(at + 7, "r"); at += 8) {
            long text = unsafe.getLong(at);
            if (text == 0) {
                return variables;
            }
            variables.add(readText(text));
        }
        throw new IOException("they do not end");
    }

    private String readText(long from) throws IOException {
        StringBuilder text = new StringBuilder();
        Region region = Region.with(regions, from);
        for (long at = from; region != null && at < region.end; at++) {
            byte one = unsafe.getByte(at);
            if (one == 0) {
                return text.toString();
            }
            text.append((char) (one & 0xff));
        }
        throw new IOException("a variable does not end");
    }

    private boolean isIn(long address, String rights) {
        Region region = Region.with(regions, address);
        return region != null && region.rights.startsWith(rights);
    }

    private static List<String> startedWith() throws IOException {
        try (FileInputStream file = new FileInputStream("/proc/self/environ")) {
            String all = new String(file.readAllBytes(), StandardCharsets.ISO_8859_1);
            return all.isEmpty() ? new ArrayList<>() : Arrays.asList(all.split("\0"));
        }
    }

    /** Where the symbol `environ` is in a library, from its start in memory. */
    private static long symbol(String path) throws IOException {
        ByteBuffer file = contents(path);
        int sections = (int) file.getLong(0x28);
        int size = file.getShort(0x3a) & 0xffff;
        int count = file.getShort(0x3c) & 0xffff;
        for (int section = sections; section < sections + size * count; section += size) {
            boolean isSymbols = file.getInt(section + 4) == 11; // SHT_DYNSYM
            if (isSymbols) {
                int names = sections + size * file.getInt(section + 0x28);
                return symbol(file, section, (int) file.getLong(names + 0x18));
            }
        }
        throw new IOException("a library without symbols");
    }

    private static long symbol(ByteBuffer file, int section, int names) throws IOException {
        int start = (int) file.getLong(section + 0x18);
        int length = (int) file.getLong(section + 0x20);
        for (int at = start; at < start + length; at += SYMBOL_BYTES) {
            if (isNamed(file, names + file.getInt(at), "environ\0") && file.getLong(at + 8) != 0) {
                return file.getLong(at + 8);
            }
        }
        throw new IOException("a library without variables");
    }

    private static boolean isNamed(ByteBuffer file, int at, String name) {
        for (int letter = 0; letter < name.length(); letter++) {
            if (file.get(at + letter) != name.charAt(letter)) {
                return false;
            }
        }
        return true;
    }

    private static ByteBuffer contents(String path) throws IOException {
        try (FileInputStream file = new FileInputStream(path)) {
            return ByteBuffer.wrap(file.readAllBytes()).order(ByteOrder.LITTLE_ENDIAN);
        }
    }

    /** One line of the process's memory map. */
    private static final class Region {
        final long start;
        final long end;
        final String rights;
        final String path;

        private Region(String line) {
            String[] parts = line.split(" +", 6);
            int dash = parts[0].indexOf('-');
            start = Long.parseUnsignedLong(parts[0].substring(0, dash), 16);
            end = Long.parseUnsignedLong(parts[0].substring(dash + 1), 16);
            rights = parts[1];
            path = parts.length > 5 ? parts[5] : "";
        }

        static List<Region> all() throws IOException {
            List<Region> regions = new ArrayList<>();
            try (FileInputStream file = new FileInputStream("/proc/self/maps")) {
                String all = new String(file.readAllBytes(), StandardCharsets.ISO_8859_1);
                for (String line : all.split("\n")) {
                    regions.add(new Region(line));
                }
            }
            return regions;
        }

        static Region with(List<Region> regions, long address) {
            for (Region region : regions) {
                boolean above = Long.compareUnsigned(address, region.start) >= 0;
                if (above && Long.compareUnsigned(address, region.end) < 0) {
                    return region;
                }
            }
            return null;
        }

        /** The first of the C library, glibc's or musl's. */
        static Region ofLibrary(List<Region> regions) throws IOException {
            for (Region region : regions) {
                String name = region.path.substring(region.path.lastIndexOf('/') + 1);
                if (name.equals("libc.so.6") || name.startsWith("ld-musl-")) {
                    return region;
                }
            }
            throw new IOException("no C library");
        }
    }
}
